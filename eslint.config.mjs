import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * What each room may import from: extension -> debug-adapter -> emulator, cli -> both. A room sees itself and those named.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const ROOMS = {
  emulator: [],
  'debug-adapter': ['emulator'],
  cli: ['debug-adapter', 'emulator'],
  extension: ['debug-adapter', 'emulator'],
};
const EVERY_ROOM = [...Object.keys(ROOMS), 'bench', 'language-server', 'samples', 'scripts', 'test'];

/** @param {string} room @param {readonly string[]} allowed */
function forbiddenImports(room, allowed) {
  const forbidden = EVERY_ROOM.filter((other) => other !== room && !allowed.includes(other));
  const patterns = [
    {
      regex: `^\\.\\.?/(.*/)?(${forbidden.join('|')})(/|$)`,
      message: `${room}/ may import from ${[room, ...allowed].map((name) => `${name}/`).join(', ')} only.`,
    },
  ];
  if (room === 'emulator') {
    patterns.push({ regex: '^(?!node:|\\.)', message: 'emulator/ imports nothing but Node itself and emulator/.' });
  } else if (room !== 'extension') {
    patterns.push({ regex: '^vscode$', message: 'Only extension/ knows the editor.' });
  }
  return patterns;
}

/** Loading at run time would get round the rules on imports. */
const NO_DYNAMIC_IMPORT = {
  selector: 'ImportExpression',
  message: 'Import statically: the rules on who imports whom read only that.',
};
const NO_CLOCK = [
  {
    selector: 'MemberExpression[object.name="Date"][property.name="now"]',
    message: 'The only clock of the machine is instructions retired.',
  },
  {
    selector: 'MemberExpression[object.name="performance"]',
    message: 'The only clock of the machine is instructions retired.',
  },
  {
    selector: 'MemberExpression[object.name="process"][property.name="hrtime"]',
    message: 'The only clock of the machine is instructions retired.',
  },
  {
    // With an argument it is a calendar, not a clock.
    selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
    message: 'The only clock of the machine is instructions retired.',
  },
  {
    selector: 'MemberExpression[object.name="Math"][property.name="random"]',
    message: 'Randomness needs a seed that is part of the configuration.',
  },
];

/** @param {string} room @param {readonly string[]} allowed @returns {import('eslint').Linter.Config} */
function roomRules(room, allowed) {
  return {
    files: [`${room}/**/*.ts`],
    // Specs may use any room they need to check theirs.
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: forbiddenImports(room, allowed) }],
      'no-restricted-syntax': ['error', NO_DYNAMIC_IMPORT, ...(room === 'emulator' ? NO_CLOCK : [])],
    },
  };
}

export default defineConfig(
  globalIgnores(['dist/', '.cache/', 'test-results/', 'samples/**/build/', '.vscode-test/']),
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-restricted-exports': [
        'error',
        {
          restrictDefaultExports: {
            direct: true,
            named: true,
            defaultFrom: true,
            namedFrom: true,
            namespaceFrom: true,
          },
        },
      ],
      eqeqeq: 'error',
      'prefer-const': 'error',
      'no-var': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Indexing is typed as always finding something (it pays in the emulator), so a check of what it found looks unnecessary.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Guest faults and errors of the condition language are values, not Errors: they are thrown often and need no stack trace.
      '@typescript-eslint/only-throw-error': 'off',
      // `return stop(...)` ends a function in one line; builders hand out closures to be destructured.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { console: 'readonly', process: 'readonly' } },
  },
  {
    // ESLint asks for a default export.
    files: ['eslint.config.mjs'],
    rules: { 'no-restricted-exports': 'off' },
  },
  ...Object.entries(ROOMS).map(([room, allowed]) => roomRules(room, allowed)),
);

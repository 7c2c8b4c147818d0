import { basename } from 'node:path';
import type { RequestTable } from '../session-context';
import type { SymbolScope } from '../configuration';
import { hex } from '../format';

function scopeText(scope: SymbolScope): string {
  switch (scope.kind) {
    case 'any':
      return 'any layer';
    case 'layer':
      return `layer ${scope.level}`;
    case 'vmcs':
      return `VMCS ${hex(scope.vmcs)}`;
    case 'cr3':
      return `CR3 ${hex(scope.cr3)}`;
    case 'range':
      return `${hex(scope.start)}..${hex(scope.end)}`;
  }
}

/** Files with symbols, and the sources they were made from. */
export const MODULE_REQUESTS: RequestTable = {
  modules: (session, args) => {
    const files = session.launched?.debuggee.symbols.files ?? [];
    const start = args.optionalInteger('startModule', 0);
    const count = args.optionalInteger('moduleCount', 0);
    const modules = files.map(({ table, name, scope }, id) => ({
      id,
      name,
      path: table.file,
      symbolStatus: `${table.hasLines ? 'Symbols and lines' : 'Symbols'}, for ${scopeText(scope)}`,
      symbolFilePath: table.file,
    }));
    return { modules: modules.slice(start, count === 0 ? undefined : start + count), totalModules: modules.length };
  },

  loadedSources: (session) => {
    const files = session.launched?.debuggee.symbols.files ?? [];
    const paths = new Set(files.flatMap(({ table }) => table.sources()));
    return { sources: [...paths].map((path) => ({ name: basename(path), path })) };
  },
};

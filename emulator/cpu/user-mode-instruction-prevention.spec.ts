import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from '../machine/guest.fixture';

const RESULTS = 0x8000;
const BUFFER = 0x8800;
const UMIP = 0x800;
const INSTRUCTIONS = [
  `sgdt [${BUFFER}]`,
  `sidt [${BUFFER}]`,
  'sldt ax',
  `sldt [${BUFFER}]`,
  'str ax',
  'smsw ax',
  `smsw [${BUFFER}]`,
] as const;

/** Which of the instructions raise #GP(0) at a privilege level: a bit for each. */
function refused(level: 0 | 3, umip: boolean): number {
  const each = (instruction: string, i: number): string =>
    `lea r13, [rel after${i}]\n mov r14, ${1 << i}\n ${instruction}\n after${i}:\n`;
  const user = `user_pages
        push    0x1b
        push    ${BUFFER}
        push    2
        push    0x23
        lea     rax, [rel begin]
        push    rax
        iretq
begin:`;
  const source = `${GUEST_TABLES}
        setup
        gate    13, protection
        gate    0x40, finish
        mov     rax, cr4
        or      rax, ${umip ? UMIP : 0}
        mov     cr4, rax
        xor     r12, r12
        ${level === 3 ? user : ''}
        ${INSTRUCTIONS.map(each).join('')}
        int     0x40
protection:
        or      r12, r14
        or      r12, [rsp]
        add     rsp, 8
        mov     [rsp], r13
        iretq
finish: mov     [${RESULTS}], r12
        cli
        hlt
        ${GUEST_DATA}`;
  const machine = bootFlat64(assemble64(source));
  assert.equal(machine.run(100_000).kind, 'halted');
  return Buffer.from(machine.peekPhysical(RESULTS, 8)).readUInt32LE(0);
}

test('with CR4.UMIP, SGDT, SIDT, SLDT, STR and SMSW raise #GP(0) above level 0, and only there', () => {
  const all = (1 << INSTRUCTIONS.length) - 1;
  assert.equal(refused(3, true), all);
  assert.equal(refused(3, false), 0);
  assert.equal(refused(0, true), 0);
});

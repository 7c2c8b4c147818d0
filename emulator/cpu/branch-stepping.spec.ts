import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from '../machine/guest.fixture';

const RESULTS = 0x8000;
const IA32_DEBUGCTL = 0x1d9;
const BTF = 2;
const TF = 0x100;
const DR6_BS = 0x4000n;

/**
 * What each #DB found, in order: the RIP it returns to, from label `from` on, IA32_DEBUGCTL in the handler, DR6. The last one clears TF in the frame.
 * @param rearms the handler sets BTF again
 */
function trapsOf(body: string, traps: number, rearms = false): readonly (readonly bigint[])[] {
  const source = `${GUEST_TABLES}
        setup
        gate    1, trapped
        mov     edi, ${RESULTS}
        mov     ecx, ${(traps + 1) * 3}
        xor     eax, eax
        rep stosq
        mov     r12, ${RESULTS}
        wrmsr_value ${IA32_DEBUGCTL}, ${BTF}
        pushfq
        or      qword [rsp], ${TF}
        popfq
        ${body}
        cli
        hlt
trapped:
        mov     rax, [rsp]
        sub     rax, from
        mov     [r12], rax
        mov     ecx, ${IA32_DEBUGCTL}
        rdmsr
        mov     [r12 + 8], rax
        mov     rax, dr6
        mov     [r12 + 16], rax
        ${rearms ? `wrmsr_value ${IA32_DEBUGCTL}, ${BTF}` : ''}
        add     r12, 24
        cmp     r12, ${RESULTS + traps * 24}
        jb      more
        and     qword [rsp + 16], ~${TF}
more:   iretq
        ${GUEST_DATA}`;
  const machine = bootFlat64(assemble64(source));
  assert.equal(machine.run(100_000).kind, 'halted');
  const bytes = Buffer.from(machine.peekPhysical(RESULTS, (traps + 1) * 24));
  const found = Array.from({ length: traps + 1 }, (_, i) => [0, 8, 16].map((at) => bytes.readBigUInt64LE(i * 24 + at)));
  assert.deepEqual(found.pop(), [0n, 0n, 0n], 'no further trap');
  return found;
}

test('with DEBUGCTL.BTF the trap of TF follows taken branches only, and clears BTF: the next one follows any instruction', () => {
  const [taken, plain] = trapsOf(
    `
from:   xor     ebx, ebx
        jnz     other
        nop
        jz      other
        nop
        nop
other:  nop
        nop
    `,
    2,
  );
  // XOR 2, JNZ 2, NOP 1, JZ 2, two NOPs.
  assert.deepEqual(taken.slice(0, 2), [9n, 0n]);
  assert.deepEqual(plain.slice(0, 2), [10n, 0n]);
  for (const [, , dr6] of [taken, plain]) assert.equal(dr6 & DR6_BS, DR6_BS);
});

test('CALL and RET are branches to BTF', () => {
  const found = trapsOf('from: nop\n call near other\n nop\n cli\n hlt\n other: nop\n ret', 2, true);
  // NOP 1, CALL 5, NOP 1, CLI 1, HLT 1.
  assert.deepEqual(
    found.map(([rip]) => rip),
    [9n, 6n],
  );
});

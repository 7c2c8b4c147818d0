import type { ColdResult } from '../cpu/cold';
import type { DecodedRecord } from '../decode/decoded-record';
import { VM_ERROR } from '../tables/vm-instruction-errors';
import { readDescriptor, readWord } from './operand';
import { vmFail, vmSucceed } from './vm-results';
import type { VmxContext } from './vmx-context';

const INVEPT = { SINGLE: 1n, ALL: 2n } as const;
const INVVPID = { ADDRESS: 0n, SINGLE: 1n, ALL: 2n, RETAINING_GLOBALS: 3n } as const;

/** Whether an EPT pointer would pass the checks of VM entry (SDM, "VM-Execution Control Fields"). */
function isEptPointer({ cpu }: VmxContext, eptp: bigint): boolean {
  const memoryType = eptp & 7n;
  const walkLength = (eptp >> 3n) & 7n;
  if ((memoryType !== 0n && memoryType !== 6n) || walkLength !== 3n) return false;
  return (eptp & 0xf80n) === 0n && eptp >> BigInt(cpu.model.physicalBits) === 0n;
}

/** INVEPT: the register names the type, the descriptor holds the EPT pointer. */
export function invalidateEpt(vmx: VmxContext, insn: DecodedRecord): ColdResult {
  const { cpu } = vmx;
  const type = readWord(cpu, insn.d);
  if (type !== INVEPT.SINGLE && type !== INVEPT.ALL) return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  const [eptp] = readDescriptor(cpu, insn);
  if (type === INVEPT.SINGLE && !isEptPointer(vmx, eptp)) return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  cpu.mmu.flushEpt(type === INVEPT.SINGLE ? eptp : undefined);
  return vmSucceed(vmx);
}

/**
 * INVVPID: descriptor bits 15:0 VPID, 63:16 zero, 127:64 linear address. Individual addresses and retaining globals are allowed to
 * invalidate more than asked for, and do.
 */
export function invalidateVpid(vmx: VmxContext, insn: DecodedRecord): ColdResult {
  const { cpu } = vmx;
  const type = readWord(cpu, insn.d);
  if (type > INVVPID.RETAINING_GLOBALS) return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  const [low, linear] = readDescriptor(cpu, insn);
  if (low >> 16n !== 0n) return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  if (type !== INVVPID.ALL && low === 0n) return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  if (type === INVVPID.ADDRESS && !cpu.isCanonicalBase(linear)) {
    return vmFail(vmx, VM_ERROR.INVALID_OPERAND);
  }
  cpu.mmu.flushVpid(type === INVVPID.ALL ? undefined : Number(low));
  return vmSucceed(vmx);
}

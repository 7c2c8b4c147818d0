import type { InstructionRow } from '../instruction-types';
import { cold, ENDS } from './row';

/** VMX and SMX instructions. */
export const VMX_ROWS: readonly InstructionRow[] = [
  cold('NP 0F 01 C1', 'VMCALL', '', '-', 'vmcall', ENDS),
  cold('NP 0F 01 C2', 'VMLAUNCH', '', '-', 'vmlaunch', ENDS),
  cold('NP 0F 01 C3', 'VMRESUME', '', '-', 'vmresume', ENDS),
  cold('NP 0F 01 C4', 'VMXOFF', '', '-', 'vmxoff', ENDS),
  cold('NP 0F 01 D4', 'VMFUNC', '', '-', 'vmfunc', ENDS),
  cold('NP 0F 78 /r', 'VMREAD', 'En Gn', 'n', 'vmread'),
  cold('NP 0F 79 /r', 'VMWRITE', 'Gn En', 'n', 'vmwrite'),
  cold('NP 0F C7 /6 mem', 'VMPTRLD', 'Mq', 'q', 'vmptrld', ENDS),
  cold('NP 0F C7 /7 mem', 'VMPTRST', 'Mq', 'q', 'vmptrst'),
  cold('66 0F C7 /6 mem', 'VMCLEAR', 'Mq', 'q', 'vmclear', ENDS),
  cold('F3 0F C7 /6 mem', 'VMXON', 'Mq', 'q', 'vmxon', ENDS),
  cold('66 0F 38 80 /r mem', 'INVEPT', 'Gn Mdq', 'n', 'invept', ENDS),
  cold('66 0F 38 81 /r mem', 'INVVPID', 'Gn Mdq', 'n', 'invvpid', ENDS),
  cold('NP 0F 37', 'GETSEC', '', '-', 'getsec', ENDS),
];

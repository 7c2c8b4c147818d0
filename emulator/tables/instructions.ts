import type { InstructionRow } from './instruction-types';
import { ARITHMETIC_ROWS } from './instructions/arithmetic';
import { BIT_MANIPULATION_ROWS } from './instructions/bit-manipulation';
import { CONTROL_TRANSFER_ROWS } from './instructions/control-transfer';
import { CRYPTOGRAPHY_ROWS } from './instructions/cryptography';
import { DATA_TRANSFER_ROWS } from './instructions/data-transfer';
import { FLAGS_AND_HINTS_ROWS } from './instructions/flags-and-hints';
import { FLOATING_POINT_ROWS } from './instructions/floating-point';
import { PACKED_INTEGER_ROWS } from './instructions/packed-integer';
import { PACKED_SEARCH_ROWS } from './instructions/packed-search';
import { PACKED_SHIFT_ROWS } from './instructions/packed-shift';
import { PACKED_SHUFFLE_ROWS } from './instructions/packed-shuffle';
import { PROCESSOR_SERVICE_ROWS } from './instructions/processor-services';
import { SHIFT_AND_BIT_ROWS } from './instructions/shift-and-bit';
import { STRING_AND_PORT_ROWS } from './instructions/string';
import { SYSTEM_ROWS } from './instructions/system';
import { VECTOR_MOVE_ROWS } from './instructions/vector-moves';
import { VMX_ROWS } from './instructions/vmx';
import { STATE_SAVING_ROWS } from './instructions/state-saving';
import { X87_ROWS } from './instructions/x87';

/** Every instruction form the machine knows; a decoded record names a row by its index here. */
export const INSTRUCTIONS: readonly InstructionRow[] = [
  ...ARITHMETIC_ROWS,
  ...DATA_TRANSFER_ROWS,
  ...SHIFT_AND_BIT_ROWS,
  ...CONTROL_TRANSFER_ROWS,
  ...STRING_AND_PORT_ROWS,
  ...FLAGS_AND_HINTS_ROWS,
  ...SYSTEM_ROWS,
  ...PROCESSOR_SERVICE_ROWS,
  ...VMX_ROWS,
  ...PACKED_INTEGER_ROWS,
  ...PACKED_SHIFT_ROWS,
  ...PACKED_SHUFFLE_ROWS,
  ...PACKED_SEARCH_ROWS,
  ...VECTOR_MOVE_ROWS,
  ...BIT_MANIPULATION_ROWS,
  ...CRYPTOGRAPHY_ROWS,
  ...FLOATING_POINT_ROWS,
  ...X87_ROWS,
  ...STATE_SAVING_ROWS,
];

/** The row of UD2, which also stands for whatever is not in the table. */
export const UNDEFINED_ROW: number = INSTRUCTIONS.findIndex((row) => row.mnemonic === 'UD2');

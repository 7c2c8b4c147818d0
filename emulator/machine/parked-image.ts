import type { UnitRegister } from './unit-registers';
import type { SegmentName } from '../state/layout';
import type { ControlName, RegisterImage, SegmentPart, TableName } from './register-image';

/** Does something while the processor an image is of is the active one. */
export type WhileActive = <T>(act: () => T) => T;

/** The registers of a layer of a processor that may not be the active one. */
export class ParkedImage implements RegisterImage {
  constructor(
    private readonly image: RegisterImage,
    private readonly whileActive: WhileActive,
  ) {}

  gpr(number: number): bigint {
    return this.whileActive(() => this.image.gpr(number));
  }
  setGpr(number: number, value: bigint): void {
    this.whileActive(() => this.image.setGpr(number, value));
  }
  control(name: ControlName): bigint {
    return this.whileActive(() => this.image.control(name));
  }
  setControl(name: ControlName, value: bigint): string | undefined {
    return this.whileActive(() => this.image.setControl(name, value));
  }
  segment(name: SegmentName, part: SegmentPart): bigint {
    return this.whileActive(() => this.image.segment(name, part));
  }
  setSegment(name: SegmentName, part: SegmentPart, value: bigint): string | undefined {
    return this.whileActive(() => this.image.setSegment(name, part, value));
  }
  table(name: TableName, part: 'base' | 'limit'): bigint {
    return this.whileActive(() => this.image.table(name, part));
  }
  unit(register: UnitRegister): bigint {
    return this.whileActive(() => this.image.unit(register));
  }
  setUnit(register: UnitRegister, value: bigint): string | undefined {
    return this.whileActive(() => this.image.setUnit(register, value));
  }
  get eptp(): bigint | undefined {
    return this.whileActive(() => this.image.eptp);
  }
}

/** Processor models as data. */
export interface CpuModel {
  readonly name: 'strata' | 'classic';
  /** Physical-address width in bits. */
  readonly physicalBits: number;
  readonly linearBits: number;
}

export const CPU_MODELS: Readonly<Record<CpuModel['name'], CpuModel>> = {
  strata: { name: 'strata', physicalBits: 40, linearBits: 48 },
  classic: { name: 'classic', physicalBits: 40, linearBits: 48 },
};

/** An interrupt on its way from a device to the local APICs: what the I/O APIC's redirection entry, or a message-signalled write, says. */
export interface InterruptMessage {
  readonly vector: number;
  /** DELIVERY of `local-apic.ts`. */
  readonly delivery: number;
  readonly destination: number;
  /** Destination is a logical one. */
  readonly logical: boolean;
  /** Level-triggered: the local APIC tells when the interrupt has been serviced. */
  readonly level: boolean;
}

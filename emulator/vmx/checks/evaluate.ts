import type { CheckFailure } from '../../api';
import { slotOf, VMCS_LAYOUT } from '../../tables/vmcs-fields';
import { ADDRESS_SPACE_SIZE } from './address-space-size';
import type { CheckGroup, EntryCheck } from './check';
import { nameOf } from './check';
import { CONTROLS_ENTRY } from './controls-entry';
import { CONTROLS_EXECUTION } from './controls-execution';
import { CONTROLS_EXIT } from './controls-exit';
import { GUEST_CONTROL_REGISTERS } from './guest-control-registers';
import { GUEST_DESCRIPTOR_TABLES } from './guest-descriptor-tables';
import { GUEST_NON_REGISTER_STATE } from './guest-non-register-state';
import { GUEST_PDPTES } from './guest-pdptes';
import { GUEST_RIP_RFLAGS } from './guest-rip-rflags';
import { GUEST_SEGMENTS } from './guest-segments';
import { HOST_CONTROL_REGISTERS } from './host-control-registers';
import { HOST_SEGMENTS } from './host-segments';
import type { RegionReader, VmcsReader } from './reader';

/**
 * All VM-entry checks in the order in which hardware reports them: a failure in `controls` is VM-instruction error 7, in `host`
 * error 8, in `guest` a VM exit with reason 33.
 */
export const ENTRY_CHECKS: Readonly<Record<CheckGroup, readonly EntryCheck[]>> = {
  controls: [...CONTROLS_EXECUTION, ...CONTROLS_EXIT, ...CONTROLS_ENTRY],
  host: [...HOST_CONTROL_REGISTERS, ...HOST_SEGMENTS, ...ADDRESS_SPACE_SIZE],
  guest: [
    ...GUEST_CONTROL_REGISTERS,
    ...GUEST_SEGMENTS,
    ...GUEST_DESCRIPTOR_TABLES,
    ...GUEST_RIP_RFLAGS,
    ...GUEST_NON_REGISTER_STATE,
    ...GUEST_PDPTES,
  ],
};

/** The check in words and values. */
export function explain(check: EntryCheck, v: VmcsReader): CheckFailure {
  return {
    id: check.id,
    section: check.section,
    rule: check.rule,
    fields: check.fields.map((encoding) => ({ name: nameOf(encoding), value: v.field(encoding) })),
    required: check.required(v),
    actual: check.actual(v),
    remedy: check.remedy,
  };
}

/** The check hardware would report, without allocating; undefined when all of the group hold. */
export function firstFailure(v: VmcsReader, which: CheckGroup): EntryCheck | undefined {
  for (const check of ENTRY_CHECKS[which]) if (!check.holds(v)) return check;
  return undefined;
}

/** Failures of a group, first the one hardware reports; only that one unless `all`. */
export function evaluateChecks(v: VmcsReader, which: CheckGroup, all: boolean): CheckFailure[] {
  const failures: CheckFailure[] = [];
  for (const check of ENTRY_CHECKS[which]) {
    if (check.holds(v)) continue;
    failures.push(explain(check, v));
    if (!all) break;
  }
  return failures;
}

const WORDS_PER_SLOT = VMCS_LAYOUT.slot / 4;

/** What the memo knows of one group. */
interface GroupMemo {
  readonly checks: readonly EntryCheck[];
  /** Slots that any check of the group reads, as word offsets in the region. */
  readonly watched: Int32Array;
  /** For each watched slot, the checks that read it. */
  readonly readers: readonly Int32Array[];
  /** Always evaluated. */
  readonly volatile: Int32Array;
  /** The watched slots' words when all checks last held. */
  readonly good: Uint32Array;
  /** `good` says something. */
  known: boolean;
  /** 1 for each check to be evaluated; all 0 between calls. */
  readonly dirty: Uint8Array;
  /** Work space: watched slots that differ, and checks to be evaluated. */
  readonly changed: Int32Array;
  readonly suspected: Int32Array;
}

function groupMemo(checks: readonly EntryCheck[]): GroupMemo {
  const bySlot = new Map<number, number[]>();
  checks.forEach((check, index) => {
    for (const encoding of check.fields) {
      const slot = slotOf(encoding);
      const list = bySlot.get(slot) ?? [];
      list.push(index);
      bySlot.set(slot, list);
    }
  });
  const slots = [...bySlot.keys()].sort((a, b) => a - b);
  return {
    checks,
    watched: Int32Array.from(slots, (slot) => slot >>> 2),
    readers: slots.map((slot) => Int32Array.from(bySlot.get(slot) ?? [])),
    volatile: Int32Array.from(checks.flatMap((check, index) => (check.volatile === true ? [index] : []))),
    good: new Uint32Array(slots.length * WORDS_PER_SLOT),
    known: false,
    dirty: new Uint8Array(checks.length),
    changed: new Int32Array(slots.length),
    suspected: new Int32Array(checks.length),
  };
}

/**
 * Evaluates only the checks whose fields differ from when all of the group last held. It compares values, so a field may have
 * been changed by VMWRITE, by an exit's save, by the debugger, or by making another VMCS current: the answer is that of
 * `firstFailure`. One memo serves all VMCSs of a processor; its content is never state.
 */
export class ChecksMemo {
  private readonly groups: Readonly<Record<CheckGroup, GroupMemo>> = {
    controls: groupMemo(ENTRY_CHECKS.controls),
    host: groupMemo(ENTRY_CHECKS.host),
    guest: groupMemo(ENTRY_CHECKS.guest),
  };

  firstFailure(v: RegionReader, which: CheckGroup): EntryCheck | undefined {
    const group = this.groups[which];
    const { checks, watched, readers, good, dirty, changed, suspected } = group;
    const { words } = v;
    const base = v.base >>> 2;
    if (!group.known) return this.allOf(v, group);
    let changes = 0;
    let suspects = 0;
    for (let i = 0; i < watched.length; i++) {
      const at = base + watched[i];
      if (words[at] === good[2 * i] && words[at + 1] === good[2 * i + 1]) continue;
      changed[changes++] = i;
      const list = readers[i];
      for (let k = 0; k < list.length; k++) {
        const check = list[k];
        if (dirty[check] === 1) continue;
        dirty[check] = 1;
        suspected[suspects++] = check;
      }
    }
    for (let k = 0; k < group.volatile.length; k++) {
      const check = group.volatile[k];
      if (dirty[check] === 0) suspected[suspects++] = check;
    }
    let failed = checks.length;
    for (let k = 0; k < suspects; k++) {
      const check = suspected[k];
      dirty[check] = 0;
      if (check < failed && !checks[check].holds(v)) failed = check;
    }
    if (failed < checks.length) return checks[failed];
    for (let k = 0; k < changes; k++) {
      const i = changed[k];
      const at = base + watched[i];
      good[2 * i] = words[at];
      good[2 * i + 1] = words[at + 1];
    }
    return undefined;
  }

  private allOf(v: RegionReader, group: GroupMemo): EntryCheck | undefined {
    const { checks, watched, good } = group;
    const base = v.base >>> 2;
    for (const check of checks) if (!check.holds(v)) return check;
    for (let i = 0; i < watched.length; i++) {
      good[2 * i] = v.words[base + watched[i]];
      good[2 * i + 1] = v.words[base + watched[i] + 1];
    }
    group.known = true;
    return undefined;
  }

  /** Forgets everything; needed only where the processor's capabilities change. */
  clear(): void {
    for (const group of Object.values(this.groups)) group.known = false;
  }
}

/**
 * Every VMX control bit the SDM defines, one row a bit: bit, key, SDM name, what it does, and `true` where this machine
 * implements the 1-setting. The capability MSRs, the VM-entry checks and every view of a control word derive from here.
 */

type Row = readonly [bit: number, key: string, name: string, description: string, implemented?: true];

export const PIN_BASED = [
  [0, 'EXTERNAL_INTERRUPT_EXITING', 'external-interrupt exiting', 'External interrupts cause VM exits.', true],
  [3, 'NMI_EXITING', 'NMI exiting', 'Non-maskable interrupts cause VM exits.', true],
  [
    5,
    'VIRTUAL_NMIS',
    'virtual NMIs',
    'NMIs are never blocked; bit 3 of interruptibility state is virtual-NMI blocking.',
  ],
  [
    6,
    'ACTIVATE_PREEMPTION_TIMER',
    'activate VMX-preemption timer',
    'The VMX-preemption timer counts down in the guest.',
  ],
  [
    7,
    'PROCESS_POSTED_INTERRUPTS',
    'process posted interrupts',
    'The notification vector is processed without VM exit.',
  ],
] as const satisfies readonly Row[];

export const PRIMARY = [
  [
    2,
    'INTERRUPT_WINDOW_EXITING',
    'interrupt-window exiting',
    'VM exit at any instruction with RFLAGS.IF = 1 and no other blocking of interrupts.',
    true,
  ],
  [3, 'USE_TSC_OFFSETTING', 'use TSC offsetting', 'RDTSC, RDTSCP and RDMSR of the TSC add the TSC offset.', true],
  [7, 'HLT_EXITING', 'HLT exiting', 'HLT causes VM exits.', true],
  [9, 'INVLPG_EXITING', 'INVLPG exiting', 'INVLPG causes VM exits.', true],
  [10, 'MWAIT_EXITING', 'MWAIT exiting', 'MWAIT causes VM exits.', true],
  [11, 'RDPMC_EXITING', 'RDPMC exiting', 'RDPMC causes VM exits.', true],
  [12, 'RDTSC_EXITING', 'RDTSC exiting', 'RDTSC and RDTSCP cause VM exits.', true],
  [15, 'CR3_LOAD_EXITING', 'CR3-load exiting', 'MOV to CR3 causes VM exits, except for CR3-target values.', true],
  [16, 'CR3_STORE_EXITING', 'CR3-store exiting', 'MOV from CR3 causes VM exits.', true],
  [17, 'ACTIVATE_TERTIARY_CONTROLS', 'activate tertiary controls', 'The tertiary processor-based controls are used.'],
  [19, 'CR8_LOAD_EXITING', 'CR8-load exiting', 'MOV to CR8 causes VM exits.', true],
  [20, 'CR8_STORE_EXITING', 'CR8-store exiting', 'MOV from CR8 causes VM exits.', true],
  [21, 'USE_TPR_SHADOW', 'use TPR shadow', 'The virtual-APIC page gives the task-priority register.'],
  [22, 'NMI_WINDOW_EXITING', 'NMI-window exiting', 'VM exit when there is no virtual-NMI blocking.'],
  [23, 'MOV_DR_EXITING', 'MOV-DR exiting', 'MOV to and from debug registers causes VM exits.', true],
  [
    24,
    'UNCONDITIONAL_IO_EXITING',
    'unconditional I/O exiting',
    'I/O instructions cause VM exits (without I/O bitmaps).',
    true,
  ],
  [25, 'USE_IO_BITMAPS', 'use I/O bitmaps', 'The I/O bitmaps say which ports cause VM exits.', true],
  [27, 'MONITOR_TRAP_FLAG', 'monitor trap flag', 'VM exit after each guest instruction.'],
  [
    28,
    'USE_MSR_BITMAPS',
    'use MSR bitmaps',
    'The MSR bitmaps say which MSR accesses cause VM exits; without them all do.',
    true,
  ],
  [29, 'MONITOR_EXITING', 'MONITOR exiting', 'MONITOR causes VM exits.', true],
  [30, 'PAUSE_EXITING', 'PAUSE exiting', 'PAUSE causes VM exits.', true],
  [
    31,
    'ACTIVATE_SECONDARY_CONTROLS',
    'activate secondary controls',
    'The secondary processor-based controls are used.',
    true,
  ],
] as const satisfies readonly Row[];

export const SECONDARY = [
  [0, 'VIRTUALIZE_APIC_ACCESSES', 'virtualize APIC accesses', 'Accesses to the APIC-access page are virtualized.'],
  [1, 'ENABLE_EPT', 'enable EPT', 'Guest-physical addresses are translated by extended page tables.', true],
  [
    2,
    'DESCRIPTOR_TABLE_EXITING',
    'descriptor-table exiting',
    'LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT and STR cause VM exits.',
    true,
  ],
  [3, 'ENABLE_RDTSCP', 'enable RDTSCP', 'RDTSCP does not raise #UD.', true],
  [4, 'VIRTUALIZE_X2APIC_MODE', 'virtualize x2APIC mode', 'MSR accesses to 800H-8FFH are virtualized.'],
  [5, 'ENABLE_VPID', 'enable VPID', 'Cached translations of linear addresses carry the VPID.', true],
  [6, 'WBINVD_EXITING', 'WBINVD exiting', 'WBINVD and WBNOINVD cause VM exits.', true],
  [7, 'UNRESTRICTED_GUEST', 'unrestricted guest', 'The guest may run unpaged or in real-address mode.', true],
  [
    8,
    'APIC_REGISTER_VIRTUALIZATION',
    'APIC-register virtualization',
    'Reads of most APIC registers come from the virtual-APIC page.',
  ],
  [
    9,
    'VIRTUAL_INTERRUPT_DELIVERY',
    'virtual-interrupt delivery',
    'Pending virtual interrupts are evaluated and delivered.',
  ],
  [10, 'PAUSE_LOOP_EXITING', 'PAUSE-loop exiting', 'A series of PAUSEs at CPL 0 can cause VM exits.'],
  [11, 'RDRAND_EXITING', 'RDRAND exiting', 'RDRAND causes VM exits.'],
  [12, 'ENABLE_INVPCID', 'enable INVPCID', 'INVPCID does not raise #UD.'],
  [13, 'ENABLE_VM_FUNCTIONS', 'enable VM functions', 'VMFUNC may be used in the guest.'],
  [14, 'VMCS_SHADOWING', 'VMCS shadowing', 'VMREAD and VMWRITE in the guest may access a shadow VMCS.'],
  [15, 'ENABLE_ENCLS_EXITING', 'enable ENCLS exiting', 'The ENCLS-exiting bitmap is consulted.'],
  [16, 'RDSEED_EXITING', 'RDSEED exiting', 'RDSEED causes VM exits.'],
  [17, 'ENABLE_PML', 'enable PML', 'Accesses that set EPT dirty flags log the guest-physical address.'],
  [
    18,
    'EPT_VIOLATION_VE',
    'EPT-violation #VE',
    'EPT violations may cause virtualization exceptions instead of VM exits.',
  ],
  [19, 'CONCEAL_VMX_FROM_PT', 'conceal VMX from PT', 'Intel Processor Trace omits indications of VMX operation.'],
  [20, 'ENABLE_XSAVES_XRSTORS', 'enable XSAVES/XRSTORS', 'XSAVES and XRSTORS do not raise #UD.'],
  [21, 'ENABLE_PASID_TRANSLATION', 'PASID translation', 'PASIDs of ENQCMD and ENQCMDS are translated.'],
  [
    22,
    'MODE_BASED_EXECUTE_CONTROL',
    'mode-based execute control for EPT',
    'EPT execute permission depends on user or supervisor linear address.',
  ],
  [
    23,
    'SUB_PAGE_WRITE_PERMISSIONS',
    'sub-page write permissions for EPT',
    'EPT write permission may be given by 128 bytes.',
  ],
  [
    24,
    'PT_USES_GUEST_PHYSICAL',
    'Intel PT uses guest physical addresses',
    'Trace output addresses are translated by EPT.',
  ],
  [25, 'USE_TSC_SCALING', 'use TSC scaling', 'TSC reads are multiplied by the TSC multiplier.'],
  [26, 'ENABLE_USER_WAIT_AND_PAUSE', 'enable user wait and pause', 'TPAUSE, UMONITOR and UMWAIT do not raise #UD.'],
  [27, 'ENABLE_PCONFIG', 'enable PCONFIG', 'PCONFIG does not raise #UD.'],
  [28, 'ENABLE_ENCLV_EXITING', 'enable ENCLV exiting', 'The ENCLV-exiting bitmap is consulted.'],
  [30, 'BUS_LOCK_DETECTION', 'VMM bus-lock detection', 'VM exit after a bus lock is acquired.'],
  [
    31,
    'INSTRUCTION_TIMEOUT',
    'instruction timeout',
    'VM exit if an operation prevents an instruction boundary for too long.',
  ],
] as const satisfies readonly Row[];

export const TERTIARY = [
  [0, 'LOADIWKEY_EXITING', 'LOADIWKEY exiting', 'LOADIWKEY causes VM exits.'],
  [1, 'ENABLE_HLAT', 'enable HLAT', 'Hypervisor-managed linear-address translation.'],
  [
    2,
    'EPT_PAGING_WRITE_CONTROL',
    'EPT paging-write control',
    'EPT can mark paging structures of the guest as writable by page walks only.',
  ],
  [
    3,
    'GUEST_PAGING_VERIFICATION',
    'guest-paging verification',
    'EPT can restrict which guest page walks may use a page.',
  ],
  [4, 'IPI_VIRTUALIZATION', 'IPI virtualization', 'Inter-processor interrupts are sent without VM exit.'],
  [7, 'VIRTUALIZE_SPEC_CTRL', 'virtualize IA32_SPEC_CTRL', 'Guest writes of IA32_SPEC_CTRL are masked and shadowed.'],
] as const satisfies readonly Row[];

export const EXIT = [
  [2, 'SAVE_DEBUG_CONTROLS', 'save debug controls', 'DR7 and IA32_DEBUGCTL are saved.', true],
  [9, 'HOST_ADDRESS_SPACE_SIZE', 'host address-space size', 'The processor is in 64-bit mode after the VM exit.', true],
  [12, 'LOAD_IA32_PERF_GLOBAL_CTRL', 'load IA32_PERF_GLOBAL_CTRL', 'IA32_PERF_GLOBAL_CTRL is loaded.'],
  [
    15,
    'ACKNOWLEDGE_INTERRUPT_ON_EXIT',
    'acknowledge interrupt on exit',
    'The interrupt controller is acknowledged and the vector stored.',
    true,
  ],
  [18, 'SAVE_IA32_PAT', 'save IA32_PAT', 'IA32_PAT is saved.', true],
  [19, 'LOAD_IA32_PAT', 'load IA32_PAT', 'IA32_PAT is loaded.', true],
  [20, 'SAVE_IA32_EFER', 'save IA32_EFER', 'IA32_EFER is saved.', true],
  [21, 'LOAD_IA32_EFER', 'load IA32_EFER', 'IA32_EFER is loaded.', true],
  [22, 'SAVE_PREEMPTION_TIMER', 'save VMX-preemption timer value', 'The value of the VMX-preemption timer is saved.'],
  [23, 'CLEAR_IA32_BNDCFGS', 'clear IA32_BNDCFGS', 'IA32_BNDCFGS is cleared.'],
  [
    24,
    'CONCEAL_VMX_FROM_PT',
    'conceal VMX from PT',
    'Intel Processor Trace does not produce a paging-information packet.',
  ],
  [25, 'CLEAR_IA32_RTIT_CTL', 'clear IA32_RTIT_CTL', 'IA32_RTIT_CTL is cleared.'],
  [26, 'CLEAR_IA32_LBR_CTL', 'clear IA32_LBR_CTL', 'IA32_LBR_CTL is cleared.'],
  [27, 'CLEAR_UINV', 'clear UINV', 'The user-interrupt notification vector is cleared.'],
  [28, 'LOAD_CET_STATE', 'load CET state', 'CET state and SSP are loaded.'],
  [29, 'LOAD_PKRS', 'load PKRS', 'IA32_PKRS is loaded.'],
  [30, 'SAVE_IA32_PERF_GLOBAL_CTRL', 'save IA32_PERF_GLOBAL_CTRL', 'IA32_PERF_GLOBAL_CTRL is saved.'],
  [31, 'ACTIVATE_SECONDARY_CONTROLS', 'activate secondary controls', 'The secondary VM-exit controls are used.'],
] as const satisfies readonly Row[];

export const EXIT_SECONDARY = [
  [0, 'SAVE_FRED', 'save FRED', 'FRED configuration is saved.'],
  [1, 'LOAD_FRED', 'load FRED', 'FRED configuration is loaded.'],
  [2, 'LOAD_IA32_SPEC_CTRL', 'load IA32_SPEC_CTRL', 'IA32_SPEC_CTRL is loaded.'],
  [
    3,
    'PREMATURELY_BUSY_SHADOW_STACK',
    'prematurely busy shadow stack',
    'The token of a shadow stack may be left busy by an event delivery that exits.',
  ],
] as const satisfies readonly Row[];

export const ENTRY = [
  [2, 'LOAD_DEBUG_CONTROLS', 'load debug controls', 'DR7 and IA32_DEBUGCTL are loaded.', true],
  [9, 'IA32E_MODE_GUEST', 'IA-32e mode guest', 'The processor is in IA-32e mode after VM entry.', true],
  [10, 'ENTRY_TO_SMM', 'entry to SMM', 'The processor is in system-management mode after VM entry.'],
  [
    11,
    'DEACTIVATE_DUAL_MONITOR',
    'deactivate dual-monitor treatment',
    'The default treatment of SMIs is in force after VM entry.',
  ],
  [13, 'LOAD_IA32_PERF_GLOBAL_CTRL', 'load IA32_PERF_GLOBAL_CTRL', 'IA32_PERF_GLOBAL_CTRL is loaded.'],
  [14, 'LOAD_IA32_PAT', 'load IA32_PAT', 'IA32_PAT is loaded.', true],
  [15, 'LOAD_IA32_EFER', 'load IA32_EFER', 'IA32_EFER is loaded.', true],
  [16, 'LOAD_IA32_BNDCFGS', 'load IA32_BNDCFGS', 'IA32_BNDCFGS is loaded.'],
  [
    17,
    'CONCEAL_VMX_FROM_PT',
    'conceal VMX from PT',
    'Intel Processor Trace does not produce a paging-information packet.',
  ],
  [18, 'LOAD_IA32_RTIT_CTL', 'load IA32_RTIT_CTL', 'IA32_RTIT_CTL is loaded.'],
  [19, 'LOAD_UINV', 'load UINV', 'The user-interrupt notification vector is loaded.'],
  [20, 'LOAD_CET_STATE', 'load CET state', 'CET state and SSP are loaded.'],
  [21, 'LOAD_IA32_LBR_CTL', 'load guest IA32_LBR_CTL', 'IA32_LBR_CTL is loaded.'],
  [22, 'LOAD_PKRS', 'load PKRS', 'IA32_PKRS is loaded.'],
  [23, 'LOAD_FRED', 'load FRED', 'FRED configuration is loaded.'],
  [24, 'LOAD_IA32_SPEC_CTRL', 'load IA32_SPEC_CTRL', 'IA32_SPEC_CTRL is loaded.'],
] as const satisfies readonly Row[];

export const VM_FUNCTIONS = [
  [0, 'EPTP_SWITCHING', 'EPTP switching', 'VMFUNC leaf 0 changes the EPT pointer.'],
] as const satisfies readonly Row[];

export const EXCEPTIONS = [
  [0, 'DE', '#DE', 'Divide error.', true],
  [1, 'DB', '#DB', 'Debug exception.', true],
  [3, 'BP', '#BP', 'Breakpoint.', true],
  [4, 'OF', '#OF', 'Overflow.', true],
  [5, 'BR', '#BR', 'BOUND range exceeded.', true],
  [6, 'UD', '#UD', 'Invalid opcode.', true],
  [7, 'NM', '#NM', 'Device not available.', true],
  [8, 'DF', '#DF', 'Double fault.', true],
  [10, 'TS', '#TS', 'Invalid TSS.', true],
  [11, 'NP', '#NP', 'Segment not present.', true],
  [12, 'SS', '#SS', 'Stack-segment fault.', true],
  [13, 'GP', '#GP', 'General protection.', true],
  [14, 'PF', '#PF', 'Page fault, subject to the page-fault error-code mask and match.', true],
  [16, 'MF', '#MF', 'x87 floating-point error.', true],
  [17, 'AC', '#AC', 'Alignment check.', true],
  [18, 'MC', '#MC', 'Machine check.', true],
  [19, 'XM', '#XM', 'SIMD floating-point exception.', true],
  [20, 'VE', '#VE', 'Virtualization exception.', true],
  [21, 'CP', '#CP', 'Control protection.', true],
] as const satisfies readonly Row[];

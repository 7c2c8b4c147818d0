#include "framework.h"

#include "power.h"

struct guest_registers guest;
u64 guest_idt[512] __attribute__((aligned(4096)));
u64 guest_gdt[16] __attribute__((aligned(4096)));
u8 guest_stack[8192] __attribute__((aligned(4096)));
u64 ept_pml4[512] __attribute__((aligned(4096)));
u64 ept_pdpt[512] __attribute__((aligned(4096)));
u64 ept_pd[512] __attribute__((aligned(4096)));
u64 ept_pt[512] __attribute__((aligned(4096)));
u8 vmxon_region[4096] __attribute__((aligned(4096)));
u8 vmcs_region[4096] __attribute__((aligned(4096)));
u8 other_region[4096] __attribute__((aligned(4096)));
u8 bitmap_page[2][4096] __attribute__((aligned(4096)));
u8 msr_bitmap[4096] __attribute__((aligned(4096)));
u8 scratch[4096] __attribute__((aligned(4096)));
static u64 apic_pd[512] __attribute__((aligned(4096)));
static u64 host_idt[64] __attribute__((aligned(4096)));

volatile int trap_vector;
volatile u32 trap_error;
u64 recovery;

static const u8 *code_start;
static int launched;

extern const u8 host_stubs[], guest_stubs[];
extern u8 task_state[];
extern u64 gdt[];

/* 16 bytes a stub. Host: vector and error code to memory, on at `recovery`. */
asm(".pushsection .text\n"
    ".macro host_stub number, error\n"
    ".balign 32\n"
    ".if \\error == 0\n push $0\n.endif\n"
    "movl $\\number, trap_vector(%rip)\n jmp host_common\n"
    ".endm\n"
    ".altmacro\n.balign 32\nhost_stubs:\n"
    ".set number, 0\n.rept 32\n"
    ".if number == 8 || (number >= 10 && number <= 14) || number == 17\n host_stub %number, 1\n"
    ".else\n host_stub %number, 0\n.endif\n"
    ".set number, number + 1\n.endr\n"
    "host_common: popq %r11\n mov %r11d, trap_error(%rip)\n mov recovery(%rip), %r11\n mov %r11, (%rsp)\n iretq\n"
    ".balign 16\nguest_stubs:\n"
    ".set number, 0\n.rept 256\n.balign 16\n mov $(0xe00 + number), %eax\n jmp guest_common\n"
    ".set number, number + 1\n.endr\n"
    "guest_common: mov (%rsp), %rbx\n mov 8(%rsp), %rcx\n mov 16(%rsp), %rdx\n mov 24(%rsp), %rsi\n"
    "mov %rsp, %rbp\n vmcall\n.noaltmacro\n"
    ".popsection\n");

static void gate(u64 *idt, int vector, u64 handler)
{
    idt[2 * vector] = (handler & 0xffff) | 8ul << 16 | 0x8e00ul << 32 | (handler >> 16 & 0xffff) << 48;
    idt[2 * vector + 1] = handler >> 32;
}

void field(const char *name, u64 value)
{
    if (value == 0)
        return;
    print(" ");
    print(name);
    print("=");
    print_hex(value);
}

void report_attempt(const char *name, u64 flags)
{
    print(name);
    print(":");
    if (trap_vector >= 0) {
        field("trap", 0x100 + trap_vector);
        field("error", trap_error);
    } else {
        field("flags", flags & 0x8d5);
        if ((flags & 0x40) && !(flags & 1))
            field("vmerror", vmread(VM_INSTRUCTION_ERROR));
    }
    print("\n");
}

static u32 control(u32 msr, u32 wanted)
{
    u64 capability = read_msr(msr);
    u32 lacking = wanted & ~(u32)(capability >> 32);
    if (lacking) {
        print("(lacking");
        field("msr", msr);
        field("bits", lacking);
        print(") ");
    }
    return (u32)capability | (wanted & (u32)(capability >> 32));
}

static u32 primary_set;
void pin(u32 set) { vmwrite(PIN_BASED_CONTROLS, control(IA32_VMX_TRUE_PINBASED_CTLS, set)); }
void primary(u32 set)
{
    primary_set = set;
    vmwrite(PROCESSOR_BASED_CONTROLS, control(IA32_VMX_TRUE_PROCBASED_CTLS, set));
}
void secondary(u32 set)
{
    primary(primary_set | PROCESSOR_ACTIVATE_SECONDARY_CONTROLS);
    vmwrite(SECONDARY_CONTROLS, control(IA32_VMX_PROCBASED_CTLS2, set));
}
void exit_controls(u32 set)
{
    vmwrite(EXIT_CONTROLS, control(IA32_VMX_TRUE_EXIT_CTLS, EXIT_HOST_ADDRESS_SPACE_SIZE | set));
}
void entry_controls(u32 set) { vmwrite(ENTRY_CONTROLS, control(IA32_VMX_TRUE_ENTRY_CTLS, set)); }

/* Identity for 1 GB: 2-MByte pages, but 4-KByte pages from 16 to 18 MB. */
void use_ept(u64 pointer_bits)
{
    for (int i = 0; i < 512; i++) {
        ept_pml4[i] = ept_pdpt[i] = 0;
        ept_pd[i] = (u64)i << 21 | 0xb7;
        ept_pt[i] = 0x1000000 + ((u64)i << 12) + 0x37;
    }
    ept_pml4[0] = (u64)ept_pdpt | 7;
    ept_pdpt[0] = (u64)ept_pd | 7;
    ept_pd[8] = (u64)ept_pt | 7;
    vmwrite(EPT_POINTER, (u64)ept_pml4 | 0x1e | pointer_bits);
    u64 descriptor[2] = {(u64)ept_pml4 | 0x1e | pointer_bits, 0};
    asm volatile("invept %0, %1" : : "m"(*(u8(*)[16])descriptor), "r"(2ul) : "memory", "cc");
    secondary(SECONDARY_ENABLE_EPT);
}

static void segment(int index, u16 selector, u32 limit, u32 rights)
{
    vmwrite(GUEST_ES_SELECTOR + 2 * index, selector);
    vmwrite(GUEST_ES_BASE + 2 * index, 0);
    vmwrite(GUEST_ES_LIMIT + 2 * index, limit);
    vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * index, rights);
}

static void clear(u8 *page)
{
    u64 count = 512;
    asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0ul) : "memory");
}

/* An NMI injected before may have left the processor blocked. */
static void unblock_nmis(void)
{
    asm volatile("mov %%rsp, %%rcx; push $16; push %%rcx; pushfq; push $8; push $1f; iretq; 1:" : : : "rcx", "memory");
}

void setup(const u8 *code)
{
    static const u16 zeroed[] = {
        EXCEPTION_BITMAP, PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT, EXIT_MSR_STORE_COUNT,
        EXIT_MSR_LOAD_COUNT, ENTRY_MSR_LOAD_COUNT, ENTRY_INTERRUPTION_INFO, CR0_GUEST_HOST_MASK, CR4_GUEST_HOST_MASK,
        CR0_READ_SHADOW, CR4_READ_SHADOW, TSC_OFFSET, GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY, GUEST_PENDING_DEBUG_EXCEPTIONS,
        GUEST_IA32_DEBUGCTL, GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP, ENTRY_EXCEPTION_ERROR_CODE,
        ENTRY_INSTRUCTION_LENGTH, HOST_FS_SELECTOR, HOST_GS_SELECTOR, HOST_FS_BASE, HOST_GS_BASE, HOST_SYSENTER_CS,
        HOST_SYSENTER_ESP, HOST_SYSENTER_EIP, GUEST_EFER, HOST_EFER, SECONDARY_CONTROLS,
    };
    guest = (struct guest_registers){0};
    asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
    code_start = code;
    launched = 0;
    *(u32 *)vmcs_region = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    vmclear((u64)vmcs_region);
    vmptrld((u64)vmcs_region);
    for (unsigned i = 0; i < sizeof zeroed / sizeof *zeroed; i++)
        vmwrite(zeroed[i], 0);
    vmwrite(VMCS_LINK_POINTER, ~0ul);
    pin(0);
    primary(0);
    exit_controls(0);
    entry_controls(ENTRY_IA32E_MODE_GUEST);
    clear(bitmap_page[0]);
    clear(bitmap_page[1]);
    clear(msr_bitmap);
    unblock_nmis();
    vmwrite(IO_BITMAP_A, (u64)bitmap_page[0]);
    vmwrite(IO_BITMAP_B, (u64)bitmap_page[1]);
    vmwrite(MSR_BITMAP, (u64)msr_bitmap);

    struct table_pointer idt;
    asm volatile("sidt %0" : "=m"(idt));
    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, read_cr3());
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_CS_SELECTOR, 8);
    vmwrite(HOST_SS_SELECTOR, 16);
    vmwrite(HOST_DS_SELECTOR, 16);
    vmwrite(HOST_ES_SELECTOR, 16);
    vmwrite(HOST_TR_SELECTOR, 24);
    vmwrite(HOST_TR_BASE, (u64)task_state);
    vmwrite(HOST_GDTR_BASE, (u64)gdt);
    vmwrite(HOST_IDTR_BASE, idt.base);
    vmwrite(HOST_RIP, (u64)vmx_exited);

    vmwrite(GUEST_CR0, read_cr0());
    vmwrite(GUEST_CR3, read_cr3());
    vmwrite(GUEST_CR4, read_cr4());
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_RSP, (u64)(guest_stack + sizeof guest_stack));
    vmwrite(GUEST_RIP, (u64)code);
    vmwrite(GUEST_RFLAGS, 2);
    segment(0, 16, ~0u, ACCESS_DATA);
    segment(1, 8, ~0u, ACCESS_CODE64);
    segment(2, 16, ~0u, ACCESS_DATA);
    segment(3, 16, ~0u, ACCESS_DATA);
    segment(4, 0, ~0u, ACCESS_UNUSABLE);
    segment(5, 0, ~0u, ACCESS_UNUSABLE);
    segment(6, 0, 0, ACCESS_UNUSABLE);
    segment(7, 0, 0x67, ACCESS_BUSY_TSS64);
    vmwrite(GUEST_GDTR_BASE, (u64)guest_gdt);
    vmwrite(GUEST_GDTR_LIMIT, sizeof guest_gdt - 1);
    vmwrite(GUEST_IDTR_BASE, (u64)guest_idt);
    vmwrite(GUEST_IDTR_LIMIT, sizeof guest_idt - 1);
    guest_gdt[1] = 0x00af9b000000fffful;
    guest_gdt[2] = 0x00cf93000000fffful;
    for (int i = 0; i < 256; i++)
        gate(guest_idt, i, (u64)guest_stubs + 16 * i);
}

/* Exits that save the length of the instruction that caused them. */
static int has_length(u32 reason, u64 interruption, u64 vectoring)
{
    if (reason == 0)
        return (interruption >> 8 & 7) >= 5;
    if (vectoring & 0x80000000 && (vectoring >> 8 & 7) >= 4)
        return 1;
    switch (reason) {
    case 1: case 2: case 3: case 7: case 8: case 33: case 34: case 48: case 49: case 52:
        return 0;
    default:
        return 1;
    }
}

static int has_information(u32 reason, u64 qualification)
{
    if (reason == 30)
        return (qualification & 0x10) != 0;
    return reason == 19 || reason == 21 || reason == 22 || reason == 23 || reason == 25 || reason == 27 || reason == 46 ||
           reason == 47 || reason == 50 || reason == 53;
}

/* Undefined: the operand size of LGDT and its kin in 64-bit mode, the segment of INS. */
static u64 defined_information(u32 reason, u64 qualification)
{
    return reason == 46 ? ~0x800ul : reason == 30 && qualification & 8 ? ~0x38000ul : ~0ul;
}

static void report_exit(void)
{
    u64 reason = vmread(EXIT_REASON), qualification = vmread(EXIT_QUALIFICATION);
    u64 interruption = vmread(EXIT_INTERRUPTION_INFO), vectoring = vmread(IDT_VECTORING_INFO);
    u32 basic = reason & 0xffff;
    print(" reason=");
    print_decimal(basic);
    if (reason >> 31)
        print("!");
    field("qualification", qualification);
    if (reason >> 31) {
        print("\n");
        return;
    }
    if (has_length(basic, interruption, vectoring))
        field("length", vmread(EXIT_INSTRUCTION_LENGTH));
    if (has_information(basic, qualification))
        field("info", vmread(EXIT_INSTRUCTION_INFO) & defined_information(basic, qualification));
    if (interruption >> 31)
        field("interruption", interruption);
    if (interruption >> 31 && interruption & 0x800)
        field("error", vmread(EXIT_INTERRUPTION_ERROR_CODE));
    if (vectoring >> 31)
        field("vectoring", vectoring);
    if (vectoring >> 31 && vectoring & 0x800)
        field("vectoring-error", vmread(IDT_VECTORING_ERROR_CODE));
    if ((basic == 48 && qualification & 0x80) || (basic == 30 && qualification & 0x10))
        field("linear", vmread(GUEST_LINEAR_ADDRESS));
    if (basic == 48 || basic == 49)
        field("physical", vmread(GUEST_PHYSICAL_ADDRESS));
    field("rip", vmread(GUEST_RIP) - (u64)code_start);
    field("rflags", vmread(GUEST_RFLAGS) & 0x10ffd5);
    field("rf", vmread(GUEST_RFLAGS) >> 16 & 1);
    field("interruptibility", vmread(GUEST_INTERRUPTIBILITY));
    field("activity", vmread(GUEST_ACTIVITY));
    field("pending", vmread(GUEST_PENDING_DEBUG_EXCEPTIONS));
    if (basic == 18) {
        field("rax", guest.rax);
        field("rbx", guest.rbx);
        field("rcx", guest.rcx);
        field("rdx", guest.rdx);
        field("rsi", guest.rsi);
        if (guest.rax >> 8 == 0xe)
            field("below-stack", (u64)(guest_stack + sizeof guest_stack) - guest.rbp);
    }
    print("\n");
}

long go(const char *name)
{
    int result;
    print(name);
    print(":");
    result = vmx_enter(&guest, launched);
    if (result == VM_FAIL_INVALID) {
        print(" VMfailInvalid\n");
        return -1000;
    }
    if (result == VM_FAIL_VALID) {
        u64 error = vmread(VM_INSTRUCTION_ERROR);
        field("vmerror", error);
        print("\n");
        return -1 - (long)error;
    }
    report_exit();
    u64 reason = vmread(EXIT_REASON);
    if (!(reason >> 31))
        launched = 1;
    return (long)reason;
}

long go_on(const char *name)
{
    vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH));
    return go(name);
}

void vmx_on(void)
{
    *(u32 *)vmxon_region = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    vmxon((u64)vmxon_region);
}

void apic_write(u32 offset, u32 value) { *(volatile u32 *)(0xfee00000ul + offset) = value; }

static void host_tables(void)
{
    struct table_pointer pointer = {sizeof host_idt - 1, (u64)host_idt};
    u64 *pdpt = (u64 *)(*(u64 *)(read_cr3() & ~0xffful) & ~0xffful);
    for (int i = 0; i < 32; i++)
        gate(host_idt, i, (u64)host_stubs + 32 * i);
    asm volatile("lidt %0" : : "m"(pointer));
    /* The local APIC, uncached. */
    apic_pd[0x1f7] = 0xfee00000 | 0x9b;
    pdpt[3] = (u64)apic_pd | 3;
    /* Every interrupt of the two PICs is masked: only what a test sends arrives. */
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    apic_write(0xf0, 0x1ff);
}

_Noreturn void vmm_main(u32 loader_magic, u32 multiboot_info)
{
    (void)loader_magic;
    (void)multiboot_info;
    console_start();
    print("start\n");
    host_tables();
    /* Caches on, whatever the firmware left. */
    write_cr0((read_cr0() & ~0x60000000ul) | read_msr(IA32_VMX_CR0_FIXED0));
    instructions();
    vmx_on();
    fields();
    entries();
    plain_exits();
    control_registers();
    input_output();
    vmx_in_guest();
    events();
    memory();
    print("end\n");
    power_off(EXIT_SUCCESS);
}

/* Exits by instruction: plain ones, control and debug registers, MSRs, ports. */
#include "framework.h"

#define PLAIN(symbol, text) CODE(symbol, text)
PLAIN(do_cpuid, "cpuid");
PLAIN(do_cpuid_prefixed, ".byte 0x66, 0x66, 0x0f, 0xa2");
PLAIN(do_hlt, "hlt");
PLAIN(do_invlpg, "mov $0x123456789, %rax; invlpg 0x10(%rax)");
PLAIN(do_rdtsc, "rdtsc; xor %eax, %eax; xor %edx, %edx");
PLAIN(do_rdtscp, "rdtscp; xor %eax, %eax; xor %edx, %edx");
PLAIN(do_rdpmc, "xor %ecx, %ecx; rdpmc");
PLAIN(do_pause, "pause");
PLAIN(do_monitor, "xor %ecx, %ecx; xor %edx, %edx; lea scratch, %rax; monitor; xor %eax, %eax");
PLAIN(do_mwait, "xor %ecx, %ecx; xor %eax, %eax; mwait");
PLAIN(do_wbinvd, "wbinvd");
PLAIN(do_invd, "invd");
PLAIN(do_xsetbv, "xor %ecx, %ecx; xor %edx, %edx; mov $1, %eax; xsetbv");
PLAIN(do_rdmsr, "mov $0x174, %ecx; rdmsr");
PLAIN(do_wrmsr, "mov $0x175, %ecx; mov $7, %eax; xor %edx, %edx; wrmsr");
PLAIN(do_rdmsr_high, "mov $0xc0000080, %ecx; rdmsr");
PLAIN(do_wrmsr_high, "mov $0xc0000102, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr");
PLAIN(do_rdmsr_none, "mov $0x40000000, %ecx; rdmsr");
PLAIN(do_sgdt, "mov $scratch, %rbx; mov $8, %rcx; sgdt 0x40(%rbx, %rcx, 4)");
PLAIN(do_lgdt, "sgdt scratch; lgdt scratch(%rip)");
PLAIN(do_lidt, "sidt scratch; lidt %gs:scratch");
PLAIN(do_sidt, "mov $scratch, %r15; sidt (%r15)");
PLAIN(do_sldt, "sldt %r9d");
PLAIN(do_sldt_memory, "sldt scratch");
PLAIN(do_str, "str %ax");
PLAIN(do_lldt, "xor %eax, %eax; lldt %ax");
PLAIN(do_ltr, "mov $24, %edx; ltr %dx");
PLAIN(do_rsm, "rsm");
PLAIN(do_getsec, "xor %eax, %eax; getsec");
PLAIN(do_ud2, "ud2");

static void plain(const char *name, const u8 *code, u32 primary_controls)
{
    setup(code);
    primary(primary_controls);
    go(name);
}
static void with_secondary(const char *name, const u8 *code, u32 controls)
{
    setup(code);
    secondary(controls);
    vmwrite(VPID, 1);
    go(name);
}

void plain_exits(void)
{
    plain("cpuid", do_cpuid, 0);
    go_on("cpuid, then");
    plain("cpuid with prefixes", do_cpuid_prefixed, 0);
    plain("hlt exiting", do_hlt, PRIMARY(7));
    go_on("hlt, then");
    plain("invlpg", do_invlpg, 0);
    plain("invlpg exiting", do_invlpg, PRIMARY(9));
    plain("rdtsc", do_rdtsc, 0);
    plain("rdtsc exiting", do_rdtsc, PRIMARY(12));
    plain("rdtscp not enabled", do_rdtscp, PRIMARY(12));
    with_secondary("rdtscp", do_rdtscp, 1u << 3);
    setup(do_rdtscp);
    primary(PRIMARY(12));
    secondary(1u << 3);
    go("rdtscp exiting");
    plain("rdpmc exiting", do_rdpmc, PRIMARY(11));
    plain("pause", do_pause, 0);
    plain("pause exiting", do_pause, PRIMARY(30));
    plain("monitor exiting", do_monitor, PRIMARY(29));
    plain("mwait exiting", do_mwait, PRIMARY(10));
    plain("wbinvd", do_wbinvd, 0);
    with_secondary("wbinvd exiting", do_wbinvd, 1u << 6);
    plain("invd", do_invd, 0);
    plain("xsetbv without OSXSAVE", do_xsetbv, 0);
    plain("rsm", do_rsm, 0);
    plain("getsec without SMXE", do_getsec, 0);
    plain("ud2", do_ud2, 0);

    plain("rdmsr without bitmap", do_rdmsr, 0);
    plain("wrmsr without bitmap", do_wrmsr, 0);
    plain("rdmsr, bitmap clear", do_rdmsr, PRIMARY(28));
    plain("rdmsr of no MSR, bitmap", do_rdmsr_none, PRIMARY(28));
    setup(do_rdmsr);
    primary(PRIMARY(28));
    msr_bitmap[0x174 / 8] |= 1 << 0x174 % 8;
    go("rdmsr, bitmap set");
    setup(do_wrmsr);
    primary(PRIMARY(28));
    msr_bitmap[0x175 / 8] |= 1 << 0x175 % 8;
    go("wrmsr, read bitmap set");
    field("sysenter-esp", vmread(GUEST_SYSENTER_ESP));
    print("\n");
    setup(do_wrmsr);
    primary(PRIMARY(28));
    msr_bitmap[2048 + 0x175 / 8] |= 1 << 0x175 % 8;
    go("wrmsr, bitmap set");
    setup(do_rdmsr_high);
    primary(PRIMARY(28));
    msr_bitmap[1024 + 0x80 / 8] |= 1;
    go("rdmsr high, bitmap set");
    setup(do_wrmsr_high);
    primary(PRIMARY(28));
    msr_bitmap[3072 + 0x102 / 8] |= 1 << 2;
    go("wrmsr high, bitmap set");

    with_secondary("sgdt, descriptor-table exiting", do_sgdt, 4);
    with_secondary("lgdt, descriptor-table exiting", do_lgdt, 4);
    with_secondary("sidt, descriptor-table exiting", do_sidt, 4);
    with_secondary("lidt, descriptor-table exiting", do_lidt, 4);
    with_secondary("sldt, descriptor-table exiting", do_sldt, 4);
    with_secondary("sldt memory, descriptor-table exiting", do_sldt_memory, 4);
    with_secondary("str, descriptor-table exiting", do_str, 4);
    with_secondary("lldt, descriptor-table exiting", do_lldt, 4);
    with_secondary("ltr, descriptor-table exiting", do_ltr, 4);
}

CODE(cr0_read, "mov %cr0, %rax");
CODE(cr0_flip_ts, "mov %cr0, %rax; xor $8, %rax; mov %rax, %cr0; mov %cr0, %rbx");
CODE(cr0_set_high, "mov %cr0, %r12; bts $40, %r12; mov %r12, %cr0");
CODE(cr0_clear_pe, "mov %cr0, %r12; and $~1, %r12; mov %r12, %cr0");
CODE(cr0_clear_ne, "mov %cr0, %r12; and $~0x20, %r12; mov %r12, %cr0; mov %cr0, %rax");
CODE(cr3_write, "mov %cr3, %r13; mov %r13, %cr3");
CODE(cr3_read, "mov %cr3, %r14");
CODE(cr4_read, "mov %cr4, %rax");
CODE(cr4_flip_tsd, "mov %cr4, %rax; xor $4, %rax; mov %rax, %cr4; mov %cr4, %rbx");
CODE(cr4_clear_vmxe, "mov %cr4, %rax; btr $13, %rax; mov %rax, %cr4");
CODE(cr8_write, "mov $5, %eax; mov %rax, %cr8; mov %cr8, %rbx");
CODE(cr8_read, "mov %cr8, %rbx");
CODE(do_clts, "mov %cr0, %rax; or $8, %rax; mov %rax, %cr0; clts; mov %cr0, %rbx");
CODE(plain_clts, "clts; mov %cr0, %rbx");
CODE(lmsw_ts, "mov $0x9, %eax; lmsw %ax; mov %cr0, %rbx");
CODE(lmsw_none, "mov $0x1, %eax; lmsw %ax; mov %cr0, %rbx");
CODE(lmsw_memory, "movw $0xfff7, scratch; lmsw scratch(%rip)");
CODE(do_smsw, "smsw %rax; smsw scratch; mov scratch, %ebx");
CODE(dr7_write, "mov $0x400, %eax; mov %rax, %dr7");
CODE(dr7_gd, "mov $0x2400, %eax; mov %rax, %dr7; mov %dr6, %rbx");
CODE(dr3_read, "mov %dr3, %r10");
CODE(dr4_read, "mov %dr4, %rcx");
CODE(dr6_write, "mov $0xffff0ff0, %ecx; mov %rcx, %dr6; mov %dr6, %rax");

static void control(const char *name, const u8 *code, u64 mask, u64 shadow)
{
    setup(code);
    vmwrite(CR0_GUEST_HOST_MASK, mask);
    vmwrite(CR0_READ_SHADOW, shadow);
    vmwrite(CR4_GUEST_HOST_MASK, mask);
    vmwrite(CR4_READ_SHADOW, shadow);
    go(name);
}

void control_registers(void)
{
    control("cr0 read through mask and shadow", cr0_read, 0xff00000f, 0x7000000e);
    control("cr4 read through mask and shadow", cr4_read, 0xff00ff0f, 0x7000200e);
    control("cr0.ts free", cr0_flip_ts, 0, 0);
    control("cr0.ts masked, shadow 0", cr0_flip_ts, 8, 0);
    control("cr0.ts masked, shadow 1", cr0_flip_ts, 8, 8);
    control("cr0.ts free beside a mask", cr0_flip_ts, 0x80000001, 0x80000001);
    field("cr0", vmread(GUEST_CR0) & 8);
    print("\n");
    control("cr0 high bits", cr0_set_high, 0, 0);
    control("cr0.pe cleared", cr0_clear_pe, 0, 0);
    control("cr0.ne cleared", cr0_clear_ne, 0, 0);
    control("cr0.ne cleared, masked", cr0_clear_ne, 0x20, 0);
    control("cr4.tsd free", cr4_flip_tsd, 0, 0);
    control("cr4.tsd masked", cr4_flip_tsd, 4, 4);
    control("cr4.vmxe cleared", cr4_clear_vmxe, 0, 0);
    control("cr4.vmxe cleared, masked with shadow 0", cr4_clear_vmxe, 0x2000, 0);
    control("clts free", do_clts, 0, 0);
    control("clts masked, shadow 0", plain_clts, 8, 0);
    control("clts masked, shadow 1", plain_clts, 8, 8);
    control("lmsw free", lmsw_ts, 0, 0);
    control("lmsw masked, shadow 0", lmsw_ts, 8, 0);
    control("lmsw masked, shadow 1", lmsw_ts, 8, 9);
    control("lmsw sets pe, masked with shadow 0", lmsw_none, 1, 0);
    control("lmsw nothing masked differs", lmsw_none, 1, 1);
    control("lmsw from memory", lmsw_memory, 8, 8);
    control("smsw through shadow", do_smsw, 0xc, 0x4);

    setup(cr3_write);
    primary(PRIMARY(15));
    go("cr3 write");
    setup(cr3_write);
    primary(PRIMARY(15));
    vmwrite(CR3_TARGET_COUNT, 2);
    vmwrite(CR3_TARGET_VALUE0 + 2, read_cr3());
    go("cr3 write of target 1");
    setup(cr3_write);
    primary(PRIMARY(15));
    vmwrite(CR3_TARGET_COUNT, 1);
    vmwrite(CR3_TARGET_VALUE0 + 2, read_cr3());
    go("cr3 write of a target not counted");
    setup(cr3_read);
    primary(PRIMARY(16));
    go("cr3 read");
    setup(cr3_read);
    go("cr3 free");
    setup(cr8_write);
    primary(PRIMARY(19));
    go("cr8 write");
    setup(cr8_read);
    primary(PRIMARY(20));
    go("cr8 read");
    setup(cr8_write);
    go("cr8 free");
    asm volatile("mov %0, %%cr8" : : "r"(0ul));

    static const struct { const char *name; const u8 *code; } debug[] = {
        {"dr7 write", dr7_write}, {"dr3 read", dr3_read}, {"dr4 read", dr4_read}, {"dr6 write", dr6_write},
    };
    for (int exiting = 0; exiting < 2; exiting++) {
        for (unsigned i = 0; i < 4; i++) {
            setup(debug[i].code);
            primary(exiting ? PRIMARY(23) : 0);
            print(exiting ? "exiting " : "free ");
            go(debug[i].name);
        }
    }
    setup(dr7_gd);
    go("dr access under GD");
    setup(dr7_gd);
    vmwrite(EXCEPTION_BITMAP, 2);
    go("dr access under GD, #DB exits");
    field("dr7", vmread(GUEST_DR7));
    print("\n");
}

CODE(out8_imm, "out %al, $0x80");
CODE(out8_dx, "mov $0x80, %edx; out %al, %dx");
CODE(in32_dx, "mov $0x82, %edx; in %dx, %eax");
CODE(in16_imm, "in $0x84, %ax");
CODE(outsb_, "mov $scratch, %rsi; mov $0x80, %edx; outsb");
CODE(rep_outsl, "mov $scratch, %rsi; mov $3, %ecx; mov $0x80, %edx; rep outsl");
CODE(rep_outs_zero, "mov $scratch, %rsi; xor %ecx, %ecx; mov $0x80, %edx; rep outsl");
CODE(insw_, "mov $scratch, %rdi; mov $0x80, %edx; insw");
CODE(rep_insb_32, "mov $scratch, %rdi; mov $2, %ecx; mov $0x80, %edx; .byte 0x67; rep insb");
CODE(outsb_fs, "mov $scratch, %rsi; mov $0x80, %edx; .byte 0x64; outsb");
CODE(out_high, "mov $0x8123, %edx; out %ax, %dx");
CODE(out_wrap, "mov $0xffff, %edx; out %eax, %dx");
CODE(in_across, "mov $0x7f, %edx; in %dx, %ax; xor %eax, %eax");

void input_output(void)
{
    static const struct { const char *name; const u8 *code; } all[] = {
        {"out imm", out8_imm}, {"out dx", out8_dx}, {"in dword", in32_dx}, {"in word imm", in16_imm}, {"outsb", outsb_},
        {"rep outsl", rep_outsl}, {"rep outsl, count 0", rep_outs_zero}, {"insw", insw_}, {"rep insb, 32-bit addresses", rep_insb_32},
        {"outsb fs", outsb_fs}, {"out to a high port", out_high}, {"out that wraps", out_wrap},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        setup(all[i].code);
        primary(PRIMARY(24));
        go(all[i].name);
    }
    setup(out8_imm);
    primary(PRIMARY(25));
    go("out, bitmap clear");
    setup(out8_imm);
    primary(PRIMARY(25) | PRIMARY(24));
    go("out, bitmap clear beats unconditional");
    setup(in_across);
    primary(PRIMARY(25));
    bitmap_page[0][0x80 / 8] = 1;
    go("in word, bitmap set for its second byte");
    setup(out_high);
    primary(PRIMARY(25));
    bitmap_page[1][0x123 / 8] = 1 << 3;
    go("out, bitmap B");
    setup(out_wrap);
    primary(PRIMARY(25));
    go("out that wraps, bitmaps clear");
    setup(rep_outs_zero);
    primary(PRIMARY(25));
    bitmap_page[0][0x80 / 8] = 1;
    go("rep outsl of nothing, bitmap");
}

#define OPERAND "mov $scratch, %rbx; mov $2, %ecx; "
CODE(g_vmxon, OPERAND "vmxon 8(%rbx)");
CODE(g_vmxoff, "vmxoff");
CODE(g_vmclear, OPERAND "vmclear -0x10(%rbx, %rcx, 8)");
CODE(g_vmptrld, "vmptrld scratch(%rip)");
CODE(g_vmptrst, "vmptrst scratch");
CODE(g_vmptrst_fs, "vmptrst %fs:scratch");
CODE(g_vmptrld_32, "lea scratch, %eax; vmptrld (%eax)");
CODE(g_vmread, "vmread %r9, %rdx");
CODE(g_vmread_memory, OPERAND "vmread %rcx, (%rbx, %rcx, 4)");
CODE(g_vmwrite, "vmwrite %r10, %rsi");
CODE(g_vmwrite_memory, OPERAND "vmwrite 0x12345678(%rbx), %rcx");
CODE(g_vmwrite_stack, "vmwrite 8(%rsp), %rcx");
CODE(g_vmlaunch, "vmlaunch");
CODE(g_vmresume, "vmresume");
CODE(g_invept, OPERAND "invept (%rbx), %r11");
CODE(g_invvpid, OPERAND "invvpid (,%rcx,2), %rdi");
CODE(g_vmfunc, "xor %eax, %eax; vmfunc");
CODE(g_invpcid, OPERAND "invpcid (%rbx), %rcx");

void vmx_in_guest(void)
{
    static const struct { const char *name; const u8 *code; } all[] = {
        {"vmxon in guest", g_vmxon}, {"vmxoff in guest", g_vmxoff}, {"vmclear in guest", g_vmclear},
        {"vmptrld in guest", g_vmptrld}, {"vmptrst in guest", g_vmptrst}, {"vmptrst fs in guest", g_vmptrst_fs},
        {"vmptrld 32 in guest", g_vmptrld_32}, {"vmread in guest", g_vmread}, {"vmread memory in guest", g_vmread_memory},
        {"vmwrite in guest", g_vmwrite}, {"vmwrite memory in guest", g_vmwrite_memory},
        {"vmwrite stack in guest", g_vmwrite_stack}, {"vmlaunch in guest", g_vmlaunch}, {"vmresume in guest", g_vmresume},
        {"invept in guest", g_invept}, {"invvpid in guest", g_invvpid}, {"vmfunc in guest", g_vmfunc},
        {"invpcid not enabled", g_invpcid},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        setup(all[i].code);
        go(all[i].name);
    }
}

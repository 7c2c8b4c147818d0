/* EPT: violations, misconfigurations, accessed and dirty flags; unrestricted guest. */
#include "framework.h"

#define PAGE 0x1010000
#define READ_PAGE "mov $0x1010000, %eax; "
CODE(m_read, READ_PAGE "mov 8(%rax), %rbx");
CODE(m_write, READ_PAGE "movq $0x55, 8(%rax)");
CODE(m_modify, READ_PAGE "addl $1, 8(%rax)");
CODE(m_fetch, READ_PAGE "jmp *%rax");
CODE(m_across, READ_PAGE "mov 0xffc(%rax), %rbx");
CODE(m_write_across, READ_PAGE "movl $0x11, 0x8(%rax); mov %rcx, 0xffc(%rax)");
CODE(m_push, "mov $0x1011000, %esp; push %rax");
CODE(m_int3, "mov $0x1011000, %esp; int3");
CODE(m_far, "mov $0x40000000, %eax; mov (%rax), %ebx");

static u64 *entry(u64 address) { return &ept_pt[address >> 12 & 511]; }

static void violation(const char *name, const u8 *code, u64 rights)
{
    setup(code);
    use_ept(0);
    *entry(PAGE) = PAGE | 0x30 | rights;
    go(name);
}

static void misconfiguration(const char *name, u64 value)
{
    setup(m_read);
    use_ept(0);
    *entry(PAGE) = value;
    go(name);
}

static u64 *guest_tables(void)
{
    u64 *pml4 = (u64 *)0x1020000, *pdpt = (u64 *)0x1021000, *pd = (u64 *)0x1022000, *pt = (u64 *)0x1023000;
    for (int i = 0; i < 512; i++) {
        pml4[i] = pdpt[i] = 0;
        pd[i] = (u64)i << 21 | 0x83;
        pt[i] = 0x1000000 + ((u64)i << 12) + 3;
    }
    pml4[0] = (u64)pdpt | 3;
    pdpt[0] = (u64)pd | 3;
    pd[8] = (u64)pt | 3;
    vmwrite(GUEST_CR3, (u64)pml4);
    return pml4;
}

static void walk(const char *name, const u8 *code, u64 table, u64 rights, u64 pointer_bits)
{
    setup(code);
    use_ept(pointer_bits);
    guest_tables();
    *entry(table) = table | 0x30 | rights;
    go(name);
}

static void accessed_and_dirty(void)
{
    setup(m_write);
    use_ept(0x40);
    guest_tables();
    go("EPT with A/D");
    for (u64 page = 0x1020000; page <= 0x1023000; page += 0x1000) {
        print("flags of");
        field("page", page);
        field("entry", *entry(page) & 0xfff);
        print("\n");
    }
    field("data", *entry(PAGE) & 0xfff);
    field("pd", ept_pd[8] & 0xfff);
    field("pdpt", ept_pdpt[0] & 0xfff);
    field("pml4", ept_pml4[0] & 0xfff);
    print("\n");
    setup(m_read);
    use_ept(0x40);
    go("EPT with A/D, read");
    field("data", *entry(PAGE) & 0xfff);
    print("\n");
    setup(m_read);
    use_ept(0);
    go("EPT without A/D");
    field("data", *entry(PAGE) & 0xfff);
    print("\n");
    setup(m_write);
    use_ept(0x40);
    *entry(PAGE) = PAGE | 0x31;
    go("EPT with A/D, violation");
    field("data", *entry(PAGE) & 0xfff);
    field("pd", ept_pd[8] & 0xfff);
    print("\n");
}

/* Real mode under "unrestricted guest": code at 0x80000, interrupt vectors at 0x90000. */
static void real_mode(void)
{
    static const u8 program[] = {
        0xb8, 0x34, 0x12,       /* mov ax, 1234h */
        0x89, 0xc3,             /* mov bx, ax */
        0xcd, 0x21,             /* int 21h */
        0x0f, 0x01, 0xc1,       /* vmcall */
    };
    for (int exits = 0; exits < 2; exits++) {
        setup((const u8 *)0);
        use_ept(0);
        secondary(SECONDARY_ENABLE_EPT | 1u << 7);
        for (unsigned i = 0; i < sizeof program; i++)
            ((u8 *)0x80000)[i] = program[i];
        ((u32 *)0x90000)[0x21] = 0x80000007;
        entry_controls(0);
        vmwrite(GUEST_CR0, read_cr0() & ~0x80000001ul);
        vmwrite(GUEST_CR3, 0);
        vmwrite(GUEST_RIP, 0);
        vmwrite(GUEST_RSP, 0xff00);
        for (int i = 0; i < 6; i++) {
            vmwrite(GUEST_ES_SELECTOR + 2 * i, 0x8000);
            vmwrite(GUEST_ES_BASE + 2 * i, 0x80000);
            vmwrite(GUEST_ES_LIMIT + 2 * i, 0xffff);
            vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * i, i == 1 ? 0x9b : 0x93);
        }
        vmwrite(GUEST_TR_ACCESS_RIGHTS, 0x8b);
        vmwrite(GUEST_IDTR_BASE, 0x90000);
        vmwrite(GUEST_IDTR_LIMIT, exits ? 0x7f : 0x3ff);
        vmwrite(EXCEPTION_BITMAP, 1 << 13);
        go(exits ? "real mode, int n beyond the IVT" : "real mode");
    }
}

void memory(void)
{
    violation("EPT read, not present", m_read, 0);
    violation("EPT write, not present", m_write, 0);
    violation("EPT modify, not present", m_modify, 0);
    violation("EPT fetch, not present", m_fetch, 0);
    violation("EPT write, read-only", m_write, 1);
    violation("EPT modify, read-only", m_modify, 1);
    violation("EPT fetch, read-only", m_fetch, 1);
    violation("EPT fetch, read-write", m_fetch, 3);
    violation("EPT write, read-execute", m_write, 5);
    violation("EPT read, execute-only", m_read, 4);
    violation("EPT across into a page not present", m_across, 7);
    violation("EPT push", m_push, 1);
    violation("EPT in event delivery", m_int3, 0);
    setup(m_across);
    use_ept(0);
    *entry(PAGE + 0x1000) = 0;
    go("EPT second page of a read");
    setup(m_write_across);
    use_ept(0);
    *entry(PAGE + 0x1000) = 0x1011031;
    *(u32 *)(PAGE + 0xffc) = 0x77777777;
    go("EPT second page of a write");
    field("first", *(u32 *)(PAGE + 0xffc));
    print("\n");
    setup(m_read);
    use_ept(0);
    ept_pd[8] = 0;
    go("EPT directory entry not present");
    setup(m_read);
    use_ept(0);
    ept_pd[8] = (u64)ept_pt | 4;
    go("EPT directory entry execute-only");
    setup(m_read);
    use_ept(0);
    ept_pd[8] &= ~2ul;
    go("EPT read under a read-only directory");
    setup(m_write);
    use_ept(0);
    ept_pd[8] &= ~2ul;
    go("EPT write under a read-only directory");
    misconfiguration("EPT write without read", PAGE | 0x32);
    misconfiguration("EPT write and execute without read", PAGE | 0x36);
    misconfiguration("EPT memory type 2", PAGE | 0x17);
    misconfiguration("EPT memory type 7", PAGE | 0x3f);
    misconfiguration("EPT reserved address bits", PAGE | 0x37 | 1ul << 50);
    setup(m_read);
    use_ept(0);
    ept_pd[8] |= 0x8;
    go("EPT reserved bit in a directory entry");
    setup(m_read);
    use_ept(0);
    ept_pd[8] = 0x10010b7;
    go("EPT large page misaligned");

    walk("EPT walk, PML4 not present", m_read, 0x1020000, 0, 0);
    walk("EPT walk, table not present", m_read, 0x1023000, 0, 0);
    walk("EPT walk, table not present, write", m_write, 0x1023000, 0, 0);
    walk("EPT walk, table read-only", m_read, 0x1023000, 1, 0);
    walk("EPT walk, table read-only with A/D", m_read, 0x1023000, 1, 0x40);
    walk("EPT walk, table not present, fetch", m_fetch, 0x1023000, 0, 0);
    walk("EPT walk, directory misconfigured", m_read, 0x1022000, 2, 0);
    accessed_and_dirty();
    real_mode();
}

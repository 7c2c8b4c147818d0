/* Segment registers, descriptor tables and what looks at descriptors. */
#include "runtime.h"

static u64 words[4] = {0x1111, 0x2222, 0x3333, 0x4444};

#define LOOK(name, instruction, selector)                                                            \
    do {                                                                                             \
        u64 value = 0, flags;                                                                        \
        asm volatile(instruction "; pushfq; pop %1" : "+a"(value), "=r"(flags) : "c"(selector) : "cc"); \
        report_value(name, value);                                                                   \
        report_value("  zf", flags >> 6 & 1);                                                        \
    } while (0)

void subject_segments(void)
{
    u64 value;
    write_msr(IA32_FS_BASE, (u64)&words[1]);
    write_msr(IA32_GS_BASE, (u64)&words[2]);
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    report_value("through FS", value);
    asm volatile("mov %%gs:8, %0" : "=r"(value));
    report_value("through GS", value);
    write_msr(0xc0000102, (u64)&words[0]);
    asm volatile("swapgs; mov %%gs:0, %0; swapgs" : "=r"(value));
    report_value("through GS after SWAPGS", value);
    asm volatile("mov %1, %%fs; mov $0, %0" : "=r"(value) : "r"(0));
    report_value("FS base after a null selector is one of 0 and what it was", read_msr(IA32_FS_BASE) == 0 || read_msr(IA32_FS_BASE) == (u64)&words[1]);
    asm volatile("mov %1, %%fs" : "=r"(value) : "r"(DATA));
    report_value("FS base after a data selector", read_msr(IA32_FS_BASE));

    LOOK("LAR of 64-bit code", "lar %%ecx, %%eax", CODE64);
    LOOK("LAR of the TSS", "lar %%ecx, %%eax", TASK);
    LOOK("LAR of data not present", "lar %%ecx, %%eax", NOT_PRESENT);
    LOOK("LAR of null", "lar %%ecx, %%eax", 0);
    LOOK("LSL of data", "lsl %%ecx, %%eax", DATA);
    LOOK("LSL of the TSS", "lsl %%ecx, %%eax", TASK);
    LOOK("LSL beyond the GDT", "lsl %%ecx, %%eax", 0x1000);
    LOOK("VERR of data", "verr %%cx", DATA);
    LOOK("VERW of data", "verw %%cx", DATA);
    LOOK("VERW of read-only data", "verw %%cx", READ_ONLY_DATA);
    LOOK("VERR of 64-bit code", "verr %%cx", CODE64);
    LOOK("VERR of the TSS", "verr %%cx", TASK);
    LOOK("STR", "str %%eax", 0);
    LOOK("SLDT", "sldt %%eax", 0);
    LOOK("CS", "mov %%cs, %%eax", 0);
    LOOK("SMSW", "smsw %%eax; and $0x9, %%eax", 0);
}

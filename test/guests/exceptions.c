/* Vectors, error codes and saved RIPs of exceptions in 64-bit mode. */
#include "runtime.h"

void subject_exceptions(void)
{
    TRY("xor %%ecx, %%ecx; div %%ecx");
    report("divide by zero");
    TRY("xor %%ecx, %%ecx; inc %%ecx; mov $1, %%edx; xor %%eax, %%eax; div %%ecx");
    report("quotient too large");
    TRY("mov $0x80000000, %%eax; cdq; mov $-1, %%ecx; idiv %%ecx");
    report("signed quotient too large");
    TRY("int3");
    report("breakpoint");
    TRY("int $0x29");
    report("software interrupt");
    TRY("int $0x50");
    report("software interrupt beyond the IDT");
    TRY("ud2");
    report("undefined opcode");
    TRY(".byte 0x06");
    report("PUSH ES in 64-bit mode");
    TRY(".byte 0xf0, 0x90");
    report("LOCK with NOP");
    TRY(".byte 0xf0, 0x01, 0xc0");
    report("LOCK with a register destination");
    TRY("movabs $0x8000000000000000, %%rcx; mov (%%rcx), %%rdx");
    report("load from a non-canonical address");
    TRY("mov $0x1238, %%ecx; mov %%ecx, %%ds");
    report("selector beyond the GDT");
    TRY("mov $0x1c, %%ecx; mov %%ecx, %%ds");
    report("selector of an LDT that is not there");
    TRY("mov $0x30, %%ecx; mov %%ecx, %%ds");
    report("data segment not present");
    TRY("mov $0x30, %%ecx; mov %%ecx, %%ss");
    report("stack segment not present");
    TRY("mov $0x48, %%ecx; mov %%ecx, %%ss");
    report("stack segment not writable");
    TRY("mov $0x08, %%ecx; mov %%ecx, %%ss");
    report("stack segment of code");
    TRY("mov $0x13, %%ecx; mov %%ecx, %%ss");
    report("stack segment with another RPL");
    TRY("mov $0x10, %%ecx; mov %%ecx, %%cs");
    report("MOV to CS");
    TRY("mov $0x18, %%ecx; ltr %%cx");
    report("LTR of a busy TSS");
    TRY("mov $0x12345678, %%ecx; rdmsr");
    report("RDMSR of no MSR");
    TRY("mov $0xc0000080, %%ecx; rdmsr; or $2, %%eax; wrmsr");
    report("WRMSR with a reserved bit");
    TRY("mov %%cr0, %%rcx; btr $0, %%rcx; mov %%rcx, %%cr0");
    report("CR0.PE cleared under paging");
    TRY("mov %%cr4, %%rcx; btr $5, %%rcx; mov %%rcx, %%cr4");
    report("CR4.PAE cleared in IA-32e mode");
    TRY("mov %%cr1, %%rcx");
    report("MOV from CR1");
    TRY("pushfq; orq $0x100, (%%rsp); popfq; nop; nop");
    report("single step");
    TRY("movq $0, 0x40000000");
    report("write to a page that is not mapped");
    TRY("mov $0x40000123, %%ecx; call *%%rcx");
    report("call to a page that is not mapped");
    TRY("int $0x20");
    report("gate of vector 32");
}

/*
 * One VMCS, guest snippets, and a report of every exit on COM1. A snippet ends with VMCALL, which always exits; the guest's
 * exception handlers too end with VMCALL, with 0xe00 + vector in EAX and the interrupted frame in the registers behind it.
 */
#ifndef FRAMEWORK_H
#define FRAMEWORK_H

#include "console.h"
#include "cpu.h"
#include "guest_registers.h"
#include "vmx.h"

/* Guest code in 64-bit mode, at a symbol of its own. */
#define CODE(name, text)                                                                  \
    asm(".pushsection .text\n.balign 16\n" #name ":\n" text "\n vmcall\n.popsection\n"); \
    extern const u8 name[]

/* Fields that vmx.h does not name. */
enum more_fields {
    EXIT_MSR_STORE_ADDRESS = 0x2006,
    EXIT_MSR_LOAD_ADDRESS = 0x2008,
    ENTRY_MSR_LOAD_ADDRESS = 0x200a,
    TSC_OFFSET = 0x2010,
    VIRTUAL_APIC_ADDRESS = 0x2012,
    GUEST_PAT = 0x2804,
    GUEST_EFER = 0x2806,
    GUEST_PDPTE0 = 0x280a,
    HOST_EFER = 0x2c02,
    ENTRY_EXCEPTION_ERROR_CODE = 0x4018,
    ENTRY_INSTRUCTION_LENGTH = 0x401a,
    EXIT_INTERRUPTION_ERROR_CODE = 0x4406,
    IDT_VECTORING_INFO = 0x4408,
    IDT_VECTORING_ERROR_CODE = 0x440a,
    EXIT_INSTRUCTION_INFO = 0x440e,
    CR3_TARGET_VALUE0 = 0x6008,
};

#define PRIMARY(bit) (1u << (bit))
#define INJECT(type, vector) (0x80000000u | (type) << 8 | (vector))
#define INJECT_ERROR_CODE 0x800u

extern struct guest_registers guest;
extern u64 guest_idt[512], guest_gdt[16];
extern u8 guest_stack[8192];
extern u64 ept_pml4[512], ept_pdpt[512], ept_pd[512], ept_pt[512];
extern u8 vmxon_region[4096], vmcs_region[4096], other_region[4096], bitmap_page[2][4096], msr_bitmap[4096], scratch[4096];

/* What host faults leave behind: -1 if there was none. */
extern volatile int trap_vector;
extern volatile u32 trap_error;
extern u64 recovery;

/* Runs instructions in root operation and reports the arithmetic flags behind them, or the fault, or the VM-instruction error. */
#define ATTEMPT(name, text, ...)                                                                           \
    do {                                                                                                   \
        u64 flags_;                                                                                        \
        trap_vector = -1;                                                                                  \
        asm volatile("lea 77f(%%rip), %%r11; mov %%r11, recovery(%%rip); push $0x8d7; popfq\n" text        \
                     "\n77: pushfq; pop %0; cld"                                                           \
                     : "=&r"(flags_)                                                                       \
                     : __VA_ARGS__                                                                         \
                     : "r11", "memory", "cc");                                                             \
        report_attempt(name, flags_);                                                                      \
    } while (0)

void report_attempt(const char *name, u64 flags);
void field(const char *name, u64 value);

/* A fresh VMCS for a 64-bit guest at `code`: CPL 0, flat segments, the host's page tables, no optional control on. */
void setup(const u8 *code);
void pin(u32 set);
void primary(u32 set);
void secondary(u32 set);
void exit_controls(u32 set);
void entry_controls(u32 set);
void use_ept(u64 pointer_bits);
/* Enters and reports; returns the exit reason (with bit 31), or -1 - VM-instruction error. */
long go(const char *name);
/* The same after advancing RIP over the instruction that exited. */
long go_on(const char *name);

void vmx_on(void);

void apic_write(u32 offset, u32 value);
#define APIC_EOI 0xb0

void instructions(void);
void fields(void);
void entries(void);
void plain_exits(void);
void control_registers(void);
void input_output(void);
void events(void);
void memory(void);
void vmx_in_guest(void);

#endif

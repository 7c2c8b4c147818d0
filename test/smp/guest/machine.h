/* The processor and the board, as little of them as the tests need. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MOST = 8, SPIN = 200 };

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t in8(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
	return low | (uint64_t)high << 32;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	__asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0) : "memory");
}
static inline void pause(void) { __asm__ volatile("pause" : : : "memory"); }

void put(const char *text);
void put_hex(uint64_t value);
/* name: value value ... */
void report(const char *name, int count, ...);

extern volatile int processors;
/* Number of the calling processor. */
int self(void);

/* Local APIC, whichever mode it is in: registers by their offset in the page. */
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
void send(uint32_t destination, uint32_t command);
void enter_x2apic(void);

enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ESR = 0x280 };
enum { TO_SELF = 1 << 18, TO_ALL = 2 << 18, TO_OTHERS = 3 << 18, LOGICAL = 0x800, ASSERT = 0x4000 };
enum { FIXED = 0, LOWEST = 0x100, NMI = 0x400, INIT = 0x500, STARTUP = 0x600 };

/* Interrupts taken, by processor and vector. */
extern volatile uint32_t taken[MOST][256];
/* Called by the handler of a vector, before its EOI. */
extern void (*volatile handlers[256])(void);

/* Has a function run on every processor at once (or on all but the first), and waits for all of them. */
void everywhere(void (*function)(int number));
void on_others(void (*function)(int number));
/* The same without waiting for them. */
void work_on_others(void (*function)(int number));
/* Meets all processors. */
void barrier(void);
/* Waits until *word is at least value; false if that takes too long. */
bool wait_for(volatile uint32_t *word, uint32_t value);
void start_others(uint32_t page);

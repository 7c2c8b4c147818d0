#include "machine.h"
#include <stdarg.h>

volatile int processors = 1;
volatile uint32_t taken[MOST][256];
void (*volatile handlers[256])(void);
char stacks[(MOST + 1) * 0x4000] __attribute__((aligned(4096)));

extern char trampoline[], trampoline_end[], interrupt_stubs[];
extern uint64_t idt[];
static volatile uint32_t *const arrivals = (volatile uint32_t *)0x6000;
static volatile bool x2apic;

static void put_character(char character)
{
	while ((in8(0x3fd) & 0x20) == 0)
		continue;
	out8(0x3f8, character);
}
void put(const char *text)
{
	while (*text)
		put_character(*text++);
}
void put_hex(uint64_t value)
{
	int shift = 60;
	while (shift > 0 && (value >> shift) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_character("0123456789abcdef"[(value >> shift) & 15]);
}
void report(const char *name, int count, ...)
{
	va_list values;
	va_start(values, count);
	put(name);
	put(":");
	while (count-- > 0) {
		put(" ");
		put_hex(va_arg(values, uint64_t));
	}
	put("\n");
	va_end(values);
}

int self(void)
{
	uint32_t a, b, c, d;
	cpuid(1, &a, &b, &c, &d);
	return b >> 24;
}

static volatile uint32_t *page_register(uint32_t offset) { return (volatile uint32_t *)(0xfee00000ull + offset); }
uint32_t apic_read(uint32_t offset) { return x2apic ? rdmsr(0x800 + offset / 16) : *page_register(offset); }
void apic_write(uint32_t offset, uint32_t value)
{
	if (x2apic)
		wrmsr(0x800 + offset / 16, value);
	else
		*page_register(offset) = value;
}
void send(uint32_t destination, uint32_t command)
{
	if (x2apic) {
		wrmsr(0x830, (uint64_t)destination << 32 | command);
		return;
	}
	*page_register(0x310) = destination << 24;
	*page_register(0x300) = command;
	while (*page_register(0x300) & 0x1000)
		pause();
}

static void into_x2apic(int number)
{
	(void)number;
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
}
void enter_x2apic(void)
{
	everywhere(into_x2apic);
	x2apic = true;
}

bool wait_for(volatile uint32_t *word, uint32_t value)
{
	for (int tries = 0; tries < 2000000; tries++) {
		if (*word >= value)
			return true;
		pause();
	}
	return false;
}

static void prepare(void)
{
	static const struct { uint16_t limit; void *base; } __attribute__((packed)) pointer = { 4095, idt };
	__asm__ volatile("lidt %0" : : "m"(pointer));
	apic_write(SVR, 0x1ff);
	apic_write(TPR, 0);
	apic_write(LDR, 1u << (24 + self()));
	__asm__ volatile("sti");
}

/* What the others wait for: a number that goes up, and then the function to run. */
static volatile uint32_t generation, finished;
static void (*volatile work)(int);
static volatile uint32_t met;

void barrier(void)
{
	uint32_t arrived = __atomic_add_fetch(&met, 1, __ATOMIC_SEQ_CST);
	uint32_t wanted = (arrived + processors - 1) / processors * processors;
	while (met < wanted)
		pause();
}

void work_on_others(void (*function)(int))
{
	work = function;
	finished = 0;
	generation++;
}
void on_others(void (*function)(int))
{
	work_on_others(function);
	while (finished < (uint32_t)processors - 1)
		pause();
}
void everywhere(void (*function)(int))
{
	work_on_others(function);
	function(0);
	while (finished < (uint32_t)processors - 1)
		pause();
}

volatile uint32_t online;
volatile uint32_t first_cr0[MOST];

void other_main(uint32_t number, uint32_t cr0)
{
	first_cr0[number] = cr0;
	uint32_t seen = generation;
	prepare();
	__atomic_add_fetch(&online, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		while (generation == seen)
			pause();
		seen = generation;
		work(number);
		__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	}
}

void start_others(uint32_t page)
{
	char *to = (char *)(uint64_t)(page << 12);
	for (char *from = trampoline; from < trampoline_end; from++)
		*to++ = *from;
	online = 0;
	send(0, TO_OTHERS | INIT | ASSERT);
	for (int i = 0; i < 20000; i++)
		pause();
	send(0, TO_OTHERS | STARTUP | ASSERT | page);
	for (int i = 0; i < 2000; i++)
		pause();
	send(0, TO_OTHERS | STARTUP | ASSERT | page);
	wait_for(&online, processors - 1);
}

void on_interrupt(uint64_t vector, uint64_t error, uint64_t *frame)
{
	if (vector < 32 && vector != 2) {
		report("exception", 3, vector, error, frame[0]);
		out8(0xf4, 2);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	taken[self()][vector]++;
	if (handlers[vector])
		handlers[vector]();
	if (vector != 2)
		apic_write(EOI, 0);
}

void tests(void);

/* Number of processors from the command line: its last character. */
int main(const uint32_t *information)
{
	out8(0x3fb, 3);
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	for (int vector = 0; vector < 256; vector++) {
		uint64_t at = (uint64_t)interrupt_stubs + vector * 16;
		idt[2 * vector] = (at & 0xffff) | 0x8e0000080000 | (at >> 16 & 0xffff) << 48;
		idt[2 * vector + 1] = at >> 32;
	}
	const char *text = (const char *)(uint64_t)information[4];
	while (text[1])
		text++;
	processors = *text - '0';
	prepare();
	*arrivals = 0;
	start_others(8);
	report("arrivals", 1, (uint64_t)*arrivals);
	tests();
	put("end\n");
	while ((in8(0x3fd) & 0x40) == 0)
		continue;
	out8(0xf4, 0);
	for (const char *word = "Shutdown"; *word; word++)
		out8(0x8900, *word);
	for (;;)
		__asm__ volatile("cli; hlt");
}

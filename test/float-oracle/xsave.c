/*
 * Executes one instruction of the XSAVE family at a time on the processor this runs on. Reads cases from standard input, writes
 * outcomes to standard output; the layouts are those of `xsave-host.ts`.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AREA 3072
#define COMPONENTS 7

enum { SAVE, SAVEOPT, SAVEC, RESTORE };

struct input {
  uint32_t operation, mask, displacement, reserved;
  uint8_t initial[AREA], area[AREA];
};

struct outcome {
  uint32_t signal, reserved;
  uint8_t area[AREA], state[AREA];
};

static sigjmp_buf aborted;
static uint8_t initial[AREA] __attribute__((aligned(64)));
static uint8_t area[AREA + 64] __attribute__((aligned(64)));
static uint8_t state[AREA] __attribute__((aligned(64)));
static uint8_t mine[AREA] __attribute__((aligned(64)));
static volatile uint32_t stopped;

static void on_signal(int number) {
  stopped = (uint32_t)number;
  siglongjmp(aborted, 1);
}

static void save(void *to) { __asm__ volatile("xsave64 (%0)" ::"r"(to), "a"(COMPONENTS), "d"(0) : "memory"); }
static void restore(const void *from) {
  __asm__ volatile("xrstor64 (%0)" ::"r"(from), "a"(COMPONENTS), "d"(0) : "memory");
}

__attribute__((noinline)) static void execute(const struct input *in) {
  uint8_t *at = area + in->displacement;
  uint32_t mask = in->mask;
  switch (in->operation) {
  case SAVE:
    __asm__ volatile("xrstor64 (%2)\n\tmov %0, %%eax\n\txsave64 (%1)\n\tmov %3, %%eax\n\txsave64 (%4)"
                     : : "r"(mask), "r"(at), "r"(initial), "i"(COMPONENTS), "r"(state), "a"(COMPONENTS), "d"(0) : "memory");
    break;
  case SAVEOPT:
    __asm__ volatile("xrstor64 (%2)\n\tmov %0, %%eax\n\txsaveopt64 (%1)\n\tmov %3, %%eax\n\txsave64 (%4)"
                     : : "r"(mask), "r"(at), "r"(initial), "i"(COMPONENTS), "r"(state), "a"(COMPONENTS), "d"(0) : "memory");
    break;
  case SAVEC:
    __asm__ volatile("xrstor64 (%2)\n\tmov %0, %%eax\n\txsavec64 (%1)\n\tmov %3, %%eax\n\txsave64 (%4)"
                     : : "r"(mask), "r"(at), "r"(initial), "i"(COMPONENTS), "r"(state), "a"(COMPONENTS), "d"(0) : "memory");
    break;
  default:
    __asm__ volatile("xrstor64 (%2)\n\tmov %0, %%eax\n\txrstor64 (%1)\n\tmov %3, %%eax\n\txsave64 (%4)"
                     : : "r"(mask), "r"(at), "r"(initial), "i"(COMPONENTS), "r"(state), "a"(COMPONENTS), "d"(0) : "memory");
  }
}

int main(void) {
  static struct input in;
  static struct outcome out;
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  alarm(60);
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    memcpy(initial, in.initial, AREA);
    memcpy(area + in.displacement, in.area, AREA);
    memset(state, 0, AREA);
    stopped = 0;
    save(mine);
    if (!sigsetjmp(aborted, 1)) execute(&in);
    restore(mine);
    out.signal = stopped;
    memcpy(out.area, area + in.displacement, AREA);
    memcpy(out.state, state, AREA);
    if (fwrite(&out, sizeof out, 1, stdout) != 1) return 1;
  }
  return fflush(stdout) ? 1 : 0;
}

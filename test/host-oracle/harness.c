/*
 * Executes instruction snippets on the processor this runs on, in 64-bit user mode.
 *
 * Reads cases from standard input until its end, writes one outcome each to standard output; the layouts are those of
 * `case.ts`. A snippet lies in the middle of a page of INT3, so that whatever it does, a signal reports the state after
 * it; the signal handler loads the next case into the interrupted context, vector state and all, and returns into it.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Where bit strings with offsets near powers of two do not reach. */
#define CODE 0x17650000ul
#define SNIPPET (CODE + 2048)
#define DATA 0x10000000ul
#define DATA_SIZE 8192
#define AREA DATA
#define AREA_SIZE 1024
#define CROSSING (DATA + 4096 - 128)
#define CROSSING_SIZE 256
#define EDGE (DATA + DATA_SIZE - 128)
#define EDGE_SIZE 128
#define CODE_MAX 318

struct state {
  uint64_t gpr[16];
  uint64_t flags;
  uint32_t mxcsr;
  uint16_t fcw, fsw, ftw, fop;
  uint32_t reserved;
  uint64_t fip, fdp, reserved2;
  uint8_t st[8][16];
  uint8_t ymm[16][32];
  uint8_t crossing[CROSSING_SIZE];
  uint8_t edge[EDGE_SIZE];
  uint8_t area[AREA_SIZE];
};

struct input {
  uint16_t length;
  uint8_t code[CODE_MAX];
  struct state state;
};

struct outcome {
  uint32_t vector;
  uint32_t error;
  uint64_t cr2;
  uint64_t rip;
  uint64_t reserved;
  struct state state;
};

/* The frame's floating-point state: FXSAVE's image, then the XSAVE header, then the upper halves of YMM. */
struct frame {
  uint16_t fcw, fsw, ftw, fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  uint8_t st[8][16];
  uint8_t xmm[16][16];
  uint8_t reserved[96];
  uint64_t xstate_bv;
  uint64_t header[7];
  uint8_t ymm_high[16][16];
};
#define X87_STATE 1u
#define SSE_STATE 2u
#define AVX_STATE 4u

/* General registers in encoding order. */
static const int GREGS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct input *inputs;
static struct outcome *outcomes;
static size_t count, at;
static int running, has_avx;
static sigjmp_buf finished;

/* Components that XSAVE found in their initial state are not in its image. */
static void capture_vectors(struct state *out, const struct frame *frame) {
  uint64_t present = has_avx ? frame->xstate_bv : X87_STATE | SSE_STATE;
  out->fcw = 0x37f;
  if (present & X87_STATE) {
    out->fcw = frame->fcw;
    out->fsw = frame->fsw;
    out->ftw = frame->ftw & 0xff;
    out->fop = frame->fop;
    out->fip = frame->fip;
    out->fdp = frame->fdp;
    for (int i = 0; i < 8; i++) memcpy(out->st[i], frame->st[i], 10);
  }
  out->mxcsr = frame->mxcsr;
  for (int i = 0; i < 16; i++) {
    if (present & SSE_STATE) memcpy(out->ymm[i], frame->xmm[i], 16);
    if (present & AVX_STATE) memcpy(out->ymm[i] + 16, frame->ymm_high[i], 16);
  }
}

static void prepare_vectors(struct frame *frame, const struct state *in) {
  frame->fcw = in->fcw;
  frame->fsw = in->fsw;
  frame->ftw = in->ftw;
  frame->fop = in->fop;
  frame->fip = in->fip;
  frame->fdp = in->fdp;
  frame->mxcsr = in->mxcsr;
  for (int i = 0; i < 8; i++) memcpy(frame->st[i], in->st[i], 16);
  for (int i = 0; i < 16; i++) memcpy(frame->xmm[i], in->ymm[i], 16);
  if (!has_avx) return;
  for (int i = 0; i < 16; i++) memcpy(frame->ymm_high[i], in->ymm[i] + 16, 16);
  frame->xstate_bv |= X87_STATE | SSE_STATE | AVX_STATE;
}

static void capture(const ucontext_t *context) {
  const greg_t *gregs = context->uc_mcontext.gregs;
  struct outcome *out = &outcomes[at];
  out->vector = (uint32_t)gregs[REG_TRAPNO];
  out->rip = (uint64_t)gregs[REG_RIP] - (out->vector == 3 ? 1 : 0);
  if (out->vector == 13 || out->vector == 14) out->error = (uint32_t)gregs[REG_ERR];
  if (out->vector == 14) out->cr2 = (uint64_t)gregs[REG_CR2];
  for (int i = 0; i < 16; i++) out->state.gpr[i] = (uint64_t)gregs[GREGS[i]];
  out->state.flags = (uint64_t)gregs[REG_EFL];
  capture_vectors(&out->state, (const struct frame *)context->uc_mcontext.fpregs);
  memcpy(out->state.crossing, (void *)CROSSING, CROSSING_SIZE);
  memcpy(out->state.edge, (void *)EDGE, EDGE_SIZE);
  memcpy(out->state.area, (void *)AREA, AREA_SIZE);
}

static void prepare(ucontext_t *context) {
  greg_t *gregs = context->uc_mcontext.gregs;
  struct input *in = &inputs[at];
  memset((void *)SNIPPET, 0xcc, CODE_MAX);
  memcpy((void *)SNIPPET, in->code, in->length);
  memset((void *)DATA, 0, DATA_SIZE);
  memcpy((void *)CROSSING, in->state.crossing, CROSSING_SIZE);
  memcpy((void *)EDGE, in->state.edge, EDGE_SIZE);
  memcpy((void *)AREA, in->state.area, AREA_SIZE);
  for (int i = 0; i < 16; i++) gregs[GREGS[i]] = (greg_t)in->state.gpr[i];
  gregs[REG_RIP] = (greg_t)SNIPPET;
  gregs[REG_EFL] = (greg_t)in->state.flags;
  prepare_vectors((struct frame *)context->uc_mcontext.fpregs, &in->state);
}

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  /* The handler runs with the snippet's AC. */
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~0x40000ul);
  if (running) {
    capture(context);
    at++;
  }
  running = 1;
  if (at == count) siglongjmp(finished, 1);
  prepare(context);
}

static void *map(unsigned long address, size_t size, int protection) {
  void *result = mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (result != (void *)address) {
    perror("mmap");
    exit(1);
  }
  return result;
}

/* `cpuid LEAF SUBLEAF`: prints the four registers. */
static int print_cpuid(char **arguments) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid_count((unsigned)strtoul(arguments[2], NULL, 0), (unsigned)strtoul(arguments[3], NULL, 0), &a, &b, &c, &d);
  return printf("%u %u %u %u\n", a, b, c, d) < 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "cpuid")) return print_cpuid(argv);
  size_t capacity = 0, length = 0;
  uint8_t *data = NULL;
  for (;;) {
    if (length == capacity) {
      capacity = capacity ? capacity * 2 : 1 << 20;
      data = realloc(data, capacity);
      if (!data) return 1;
    }
    size_t got = fread(data + length, 1, capacity - length, stdin);
    if (got == 0) break;
    length += got;
  }
  has_avx = __builtin_cpu_supports("avx");
  inputs = (struct input *)data;
  count = length / sizeof(struct input);
  outcomes = calloc(count ? count : 1, sizeof(struct outcome));
  if (!outcomes) return 1;

  memset(map(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0xcc, 4096);
  map(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
  syscall(SYS_arch_prctl, ARCH_SET_GS, DATA);

  static uint8_t stack[1 << 16];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  alarm(120);

  if (count && !sigsetjmp(finished, 1)) __asm__ volatile("int3");
  for (size_t done = 0; done < count;) {
    size_t wrote = fwrite(outcomes + done, sizeof *outcomes, count - done, stdout);
    if (wrote == 0) return 1;
    done += wrote;
  }
  return fflush(stdout) ? 1 : 0;
}

#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "cpu.h"

/* Each gives a checksum; `scale` multiplies the work (of fill_memory: the end of what is filled, in MB). */
u64 alu_loop(u64 scale);
u64 array_walk(u64 scale);
u64 fibonacci(u64 scale);
u64 compiled_mix(u64 scale);
u64 exit_round_trips(u64 scale);
u64 matrix_product(u64 scale);
u64 matrix_product_avx(u64 scale);
u64 memory_copy(u64 scale);
u64 checksum(u64 scale);
u64 code_16(u64 scale);
u64 exception_round_trips(u64 scale);
u64 fill_memory(u64 scale);

#endif

/* Loops of compilers' vector code: floating point, copies, checksums. This file alone is compiled with vector registers. */
#include "workloads.h"

#define SIZE 96
#define COPY_BYTES 32768

static float left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];
static u8 source[COPY_BYTES] __attribute__((aligned(64))), target[COPY_BYTES] __attribute__((aligned(64)));

void vectors_start(void);

static void fill(void)
{
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            left[i][j] = (float)(i * 3 + j % 7) * 0.37f + 0.1f;
            right[i][j] = (float)(j * 5 + i % 11) * 0.011f - 1.3f;
        }
    for (u32 i = 0; i < COPY_BYTES; i++)
        source[i] = (u8)(i * 167 + (i >> 8));
}

static u64 trace(void)
{
    float sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        sum += product[i][i];
    return (u64)(long)sum;
}

/* Rows times columns, one product after the other: scalar SSE. */
__attribute__((optimize("no-tree-vectorize"))) u64 matrix_product(u64 scale)
{
    vectors_start();
    fill();
    for (; scale; scale--)
        for (u32 i = 0; i < SIZE; i++)
            for (u32 j = 0; j < SIZE; j++) {
                float sum = 0;
                for (u32 k = 0; k < SIZE; k++)
                    sum += left[i][k] * right[k][j];
                product[i][j] = sum;
            }
    return trace();
}

/* The same with rows added up eight floats at a time. */
__attribute__((target("avx2"), optimize("tree-vectorize"))) u64 matrix_product_avx(u64 scale)
{
    vectors_start();
    fill();
    for (; scale; scale--)
        for (u32 i = 0; i < SIZE; i++) {
            for (u32 j = 0; j < SIZE; j++)
                product[i][j] = 0;
            for (u32 k = 0; k < SIZE; k++) {
                float factor = left[i][k];
                for (u32 j = 0; j < SIZE; j++)
                    product[i][j] += factor * right[k][j];
            }
        }
    return trace();
}

typedef u64 quadwords __attribute__((vector_size(16)));

/* 16 bytes a move. */
u64 memory_copy(u64 scale)
{
    vectors_start();
    fill();
    for (; scale; scale--)
        for (u32 i = 0; i < COPY_BYTES; i += 64) {
            const quadwords *from = (const quadwords *)(source + i);
            quadwords *to = (quadwords *)(target + i);
            quadwords a = from[0], b = from[1], c = from[2], d = from[3];
            to[0] = a;
            to[1] = b;
            to[2] = c;
            to[3] = d;
            asm volatile("" ::: "memory");
        }
    return target[COPY_BYTES - 1];
}

/* Sums and sums of sums of bytes, as Adler-32 has them. */
__attribute__((target("avx2"), optimize("tree-vectorize"))) u64 checksum(u64 scale)
{
    u32 result = 0;
    vectors_start();
    fill();
    for (; scale; scale--) {
        u32 sum = 0, weighted = 0;
        for (u32 i = 0; i < COPY_BYTES; i++) {
            sum += source[i];
            weighted += source[i] * (COPY_BYTES - i);
        }
        result = result * 31 + (sum ^ weighted);
        asm volatile("" ::: "memory");
    }
    return result;
}

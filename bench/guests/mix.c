/* What gcc -O2 makes of everyday code: sorting, hashing, string search, matrices, a sieve, a dictionary. */
#include "workloads.h"

#define NUMBERS 4096
#define TEXT 16384
#define ORDER 32
#define SIEVE 20000
#define BUCKETS 1024

static u32 numbers[NUMBERS];
static char text[TEXT];
static int a[ORDER][ORDER], b[ORDER][ORDER], product[ORDER][ORDER];
static u8 composite[SIEVE];
static struct entry {
    struct entry *next;
    u32 key, count;
} entries[NUMBERS], *buckets[BUCKETS];

static u32 random_state = 12345;

static u32 next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void quicksort(u32 *low, u32 *high)
{
    while (high - low > 12) {
        u32 pivot = low[(high - low) / 2], *left = low, *right = high - 1;
        for (;;) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left >= right)
                break;
            u32 swapped = *left;
            *left++ = *right;
            *right-- = swapped;
        }
        quicksort(low, left);
        low = left;
    }
    for (u32 *at = low + 1; at < high; at++) {
        u32 value = *at, *hole = at;
        for (; hole > low && hole[-1] > value; hole--)
            *hole = hole[-1];
        *hole = value;
    }
}

static u64 sorting(void)
{
    u64 hash = 0;
    for (u32 i = 0; i < NUMBERS; i++)
        numbers[i] = next_random();
    quicksort(numbers, numbers + NUMBERS);
    for (u32 i = 0; i < NUMBERS; i++)
        hash = hash * 31 + numbers[i];
    return hash;
}

static u64 hashing(void)
{
    u64 hash = 0xcbf29ce484222325;
    const u8 *bytes = (const u8 *)numbers;
    for (u32 i = 0; i < sizeof numbers; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

static u64 searching(void)
{
    static const char pattern[] = "abcab";
    u64 found = 0;
    for (u32 i = 0; i < TEXT - 1; i++)
        text[i] = (char)('a' + next_random() % 3);
    for (const char *at = text; *at; at++) {
        const char *p = pattern, *q = at;
        while (*p && *p == *q)
            p++, q++;
        if (!*p)
            found += (u64)(at - text);
    }
    return found;
}

static u64 matrices(void)
{
    u64 trace = 0;
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) {
            a[i][j] = (int)(next_random() & 255);
            b[i][j] = (int)(next_random() & 255);
        }
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) {
            int sum = 0;
            for (int k = 0; k < ORDER; k++)
                sum += a[i][k] * b[k][j];
            product[i][j] = sum;
        }
    for (int i = 0; i < ORDER; i++)
        trace += (u64)product[i][i];
    return trace;
}

static u64 primes(void)
{
    u64 count = 0;
    for (u32 i = 2; i < SIEVE; i++)
        composite[i] = 0;
    for (u32 i = 2; i < SIEVE; i++) {
        if (composite[i])
            continue;
        count++;
        for (u32 multiple = i * 2; multiple < SIEVE; multiple += i)
            composite[multiple] = 1;
    }
    return count;
}

static u64 dictionary(void)
{
    u32 used = 0;
    u64 longest = 0;
    for (u32 i = 0; i < BUCKETS; i++)
        buckets[i] = 0;
    for (u32 i = 0; i < NUMBERS; i++) {
        u32 key = next_random() % 3000;
        struct entry **bucket = &buckets[key * 2654435761u >> 22], *entry = *bucket;
        while (entry && entry->key != key)
            entry = entry->next;
        if (!entry) {
            entry = &entries[used++];
            *entry = (struct entry){*bucket, key, 0};
            *bucket = entry;
        }
        if (++entry->count > longest)
            longest = entry->count;
    }
    return longest << 32 | used;
}

u64 compiled_mix(u64 scale)
{
    u64 sum = 0;
    for (u64 round = 0; round < scale; round++) {
        sum = sum * 7 + sorting();
        sum = sum * 7 + hashing();
        sum = sum * 7 + searching();
        sum = sum * 7 + matrices();
        sum = sum * 7 + primes();
        sum = sum * 7 + dictionary();
    }
    return sum;
}

/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs share, whatever runtime they use. */
#ifndef ROCM_PROGRAM_H
#define ROCM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void die(const char *what) __attribute__((noreturn));
void stop_at_sigterm(void);
bool stopped(void);
uint64_t now_us(void);
void sleep_until_us(uint64_t us);
double demo_random(void);
void make_file(const char *path);
void wait_for_file(const char *path);
void counters_print(const char *who, const uint32_t *counters, size_t n);

#ifdef __cplusplus
}
#endif

#endif

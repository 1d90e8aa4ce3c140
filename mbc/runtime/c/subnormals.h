/* How a thread computes: its floating-point control register, without the flags that results leave
 * there. CPUs take up to a hundred times longer over subnormal numbers (below 1.2e-38) than over
 * others, unless they are told to count them as zero. Elsewhere than on x86 and Arm all of this does
 * nothing. */
#ifndef MBC_SUBNORMALS_H
#define MBC_SUBNORMALS_H

#include <stdint.h>

#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE2__))

enum { MBC_FLUSH = 0x8040, MBC_FLAGS = 0x3F }; /* results (FTZ) and operands (DAZ); MXCSR's flags */

static inline uint32_t mbc_read_control(void) {
  uint32_t word;
  __asm__ volatile("stmxcsr %0" : "=m"(word));
  return word;
}

static inline void mbc_write_control(uint32_t word) {
  __asm__ volatile("ldmxcsr %0" : : "m"(word) : "memory");
}

#elif defined(__aarch64__)

enum { MBC_FLUSH = 1 << 24, MBC_FLAGS = 0 }; /* FZ; the flags are in a register of their own */

static inline uint32_t mbc_read_control(void) {
  uint64_t word;
  __asm__ volatile("mrs %0, fpcr" : "=r"(word));
  return (uint32_t)word;
}

static inline void mbc_write_control(uint32_t word) {
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)word) : "memory");
}

#elif defined(__arm__) && defined(__ARM_FP)

/* FZ, which NEON takes for granted; the flags and conditions in FPSCR */
enum { MBC_FLUSH = 1 << 24, MBC_FLAGS = (int)0xF800009F };

static inline uint32_t mbc_read_control(void) {
  uint32_t word;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(word));
  return word;
}

static inline void mbc_write_control(uint32_t word) {
  __asm__ volatile("vmsr fpscr, %0" : : "r"(word) : "memory");
}

#else

enum { MBC_FLUSH = 0, MBC_FLAGS = 0 };

static inline uint32_t mbc_read_control(void) { return 0; }
static inline void mbc_write_control(uint32_t word) { (void)word; }

#endif

/* The calling thread's control: how it rounds, whether it flushes, what it traps. */
static inline uint32_t mbc_control(void) { return mbc_read_control() & ~(uint32_t)MBC_FLAGS; }

/* Compute under this control from now on. To write it takes long, so only what is new is written. */
static inline void mbc_adopt(uint32_t control) {
  uint32_t word = mbc_read_control(), flags = word & (uint32_t)MBC_FLAGS;
  if ((word ^ flags) != control) mbc_write_control(control | flags);
}

/* Count subnormal numbers as zero; the control before, for `mbc_adopt`. */
static inline uint32_t mbc_flush_subnormals(void) {
  uint32_t control = mbc_control();
  mbc_adopt(control | (uint32_t)MBC_FLUSH);
  return control;
}

#endif

/* The delays of a pool that was compiled with MBC_POOL_DELAY: most calls return at once, others let
 * another thread run, spin, or sleep for up to DELAY microseconds, whose length is random too. */
#ifndef DELAYS_H
#define DELAYS_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#ifndef DELAY
#define DELAY 200
#endif

static _Thread_local uint32_t delay_state;
static _Atomic uint32_t delay_seed, delay_count;

static uint32_t delay_draw(void) {
  if (!delay_state)
    delay_state = 2654435761u * (1 + atomic_fetch_add_explicit(&delay_seed, 1, memory_order_relaxed));
  delay_state ^= delay_state << 13, delay_state ^= delay_state >> 17;
  return delay_state ^= delay_state << 5;
}

static inline uint32_t delays(void) { return atomic_load(&delay_count); }

/* Relaxed, so that they order nothing that the pool does not. */
void mbc_pool_delay(void);
void mbc_pool_delay(void) {
  uint32_t kind = delay_draw() % 64, length = delay_draw();
  if (kind > 5) return;
  atomic_fetch_add_explicit(&delay_count, 1, memory_order_relaxed);
  if (kind > 3)
    sched_yield();
  else if (kind)
    for (volatile uint32_t i = length % (20 * DELAY); i; i--) {}
  else
    nanosleep(&(struct timespec){.tv_nsec = length % DELAY * 1000}, NULL);
}

#endif

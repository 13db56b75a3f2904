/*
 * wide.h
 *		Functions compiled for the widest vectors that a machine may have, chosen
 *		when the library is loaded.
 *
 * Results may differ in their last digits between machines with and without fused
 * multiply-add.  No dependency on the server.
 */
#ifndef WIDE_H
#define WIDE_H

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
	!defined(__SANITIZE_ADDRESS__)
#define WIDE_FLOATS __attribute__((target_clones("fma", "default")))
#define WIDE_INTEGERS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_FLOATS
#define WIDE_INTEGERS
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline, unused))

#endif /* WIDE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels lack or call otherwise, back to 6.1. The newest line needs
 * the two #includes and the one addition that are here, and nothing else.
 */
#ifndef XEN_PMU_COMPAT_H
#define XEN_PMU_COMPAT_H

#include <linux/perf_event.h>
#include <linux/version.h>

#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/processor.h>

/* 6.16 has cpuid() there. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/cpuid/api.h>
#endif

/* 6.3 has KUnit's static stubs; before, the suites bring their own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <kunit/static_stub.h>
#elif IS_ENABLED(CONFIG_XEN_PMU_KUNIT_TEST)
#include <kunit/test.h>

#define XEN_PMU_OWN_STUBS

struct kunit *xen_pmu_current_test(void);
void *xen_pmu_stub(const void *function);
void xen_pmu_set_stub(struct kunit *test, const void *function, void *stub);

#define KUNIT_STATIC_STUB_REDIRECT(function, args...)			\
do {									\
	typeof(function) *__stub = xen_pmu_stub(function);		\
									\
	if (unlikely(__stub))						\
		return __stub(args);					\
} while (0)

#define kunit_activate_static_stub(test, function, stub)		\
	xen_pmu_set_stub(test, function, stub)
#define kunit_get_current_test()	xen_pmu_current_test()
#else
#define KUNIT_STATIC_STUB_REDIRECT(function, args...) do { } while (0)
#endif

/* 6.5 has names for the fields of IA32_FIXED_CTR_CTRL. */
#ifndef INTEL_FIXED_BITS_STRIDE
#define INTEL_FIXED_BITS_STRIDE		4
#define INTEL_FIXED_0_KERNEL		BIT_ULL(0)
#define INTEL_FIXED_0_USER		BIT_ULL(1)
#define INTEL_FIXED_0_ANYTHREAD		BIT_ULL(2)
#define INTEL_FIXED_0_ENABLE_PMI	BIT_ULL(3)

#define intel_fixed_bits_by_idx(idx, bits)	\
	((bits) << ((idx) * INTEL_FIXED_BITS_STRIDE))
#endif

/* 6.16 has them by value and by pointer, and rdmsrq() with them. */
#ifndef rdmsrq
static inline int xen_pmu_native_read(u32 msr, u64 *val)
{
	int err;

	*val = native_read_msr_safe(msr, &err);
	return err;
}

static inline int xen_pmu_native_write(u32 msr, u64 val)
{
	return native_write_msr_safe(msr, lower_32_bits(val),
				     upper_32_bits(val));
}

#define native_read_msr_safe	xen_pmu_native_read
#define native_write_msr_safe	xen_pmu_native_write
#endif

/* Before 6.3 perf looks at all parts of a sample for its size. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define xen_pmu_sample_size(data)	((data)->dyn_size)
#endif

static inline void xen_pmu_sample_grows(struct perf_sample_data *data, size_t size)
{
#ifdef xen_pmu_sample_size
	xen_pmu_sample_size(data) += size;
#endif
}

#endif /* XEN_PMU_COMPAT_H */

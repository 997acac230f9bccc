// SPDX-License-Identifier: GPL-2.0-only
/*
 * Static stubs for a KUnit without them: compat.h. One test runs at a time.
 */
#include <linux/kernel.h>

#include "bench.h"

#ifdef XEN_PMU_OWN_STUBS

static struct {
	const void *function;
	void *stub;
} stubs[16];

static unsigned int nr_stubs;
static struct kunit *stubs_of;

/**
 * xen_pmu_current_test() - the test whose stubs are in place
 *
 * Any context, and any thread: after a failed assertion another one cleans up, which
 * KUnit of 6.1 does not know for the test's.
 *
 * Return: the test, or NULL.
 */
struct kunit *xen_pmu_current_test(void)
{
	return nr_stubs ? stubs_of : NULL;
}

/**
 * xen_pmu_stub() - what a test has put in place of a function
 * @function: the function, which asks at its beginning
 *
 * Any context.
 *
 * Return: the test's function, or NULL outside a test.
 */
void *xen_pmu_stub(const void *function)
{
	unsigned int i;

	for (i = 0; i < nr_stubs; i++)
		if (stubs[i].function == function)
			return stubs[i].stub;

	return NULL;
}

static void forget_stubs(struct kunit_resource *unused)
{
	nr_stubs = 0;
}

/**
 * xen_pmu_set_stub() - put a function in place of another until the test ends
 * @test: the test
 * @function: the function
 * @stub: what is called instead
 */
void xen_pmu_set_stub(struct kunit *test, const void *function, void *stub)
{
	unsigned int i;

	if (!nr_stubs)
		kunit_alloc_resource(test, NULL, forget_stubs, GFP_KERNEL, NULL);

	for (i = 0; i < nr_stubs; i++)
		if (stubs[i].function == function)
			break;
	KUNIT_ASSERT_LT(test, i, (unsigned int)ARRAY_SIZE(stubs));
	stubs[i].function = function;
	stubs[i].stub = stub;
	stubs_of = test;
	nr_stubs = max(nr_stubs, i + 1);
}

#endif

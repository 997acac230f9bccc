// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the page to pt_regs and to a guest's state, for every combination of
 * mode, flags, domain and delay.
 */
#include <linux/perf_event.h>

#include <asm/perf_event.h>
#include <asm/segment.h>

#include "bench.h"

#define OTHER_DOMAIN	5

static const domid_t domains[] = { DOMID_SELF, DOMID_XEN, OTHER_DOMAIN };

struct combination {
	domid_t domain;
	bool pv;
	bool user_flag;
	bool user_ip;
	u8 cpl;
};

static struct combination nth_combination(unsigned int n)
{
	return (struct combination) {
		.domain		= domains[n / 16],
		.pv		= n & 1,
		.user_flag	= n & 2,
		.cpl		= n & 4 ? 3 : 0,
		.user_ip	= n & 8,
	};
}

#define NR_COMBINATIONS	(16 * ARRAY_SIZE(domains))

static bool truly_user(const struct combination *c)
{
	if (c->domain == DOMID_XEN)
		return false;
	return c->pv ? c->user_ip : c->cpl == 3;
}

static u64 ip_of(const struct combination *c)
{
	return c->user_ip ? 0x1234000 : 0xffffffff81234000;
}

static void fill(struct xen_pmu_data *page, const struct combination *c)
{
	memset(page, 0, sizeof(*page));
	page->domain_id = c->domain;
	page->vcpu_id = 3;
	page->pcpu_id = 9;
	page->pmu.pmu_flags = PMU_CACHED | (c->pv ? PMU_SAMPLE_PV : 0) |
			      (c->user_flag ? PMU_SAMPLE_USER : 0);
	page->pmu.r.regs = (struct xen_pmu_regs) {
		.ip = ip_of(c), .sp = 0x7ff000, .flags = 0x246,
		/* What Xen sees of a 64-bit PV guest's kernel and program. */
		.cs = truly_user(c) ? 0x33 : 0xe033, .ss = 0xe02b,
		.cpl = c->cpl,
	};
}

static struct xen_pmu_vcpu *vcpu_create(struct kunit *test)
{
	struct xen_pmu_vcpu *v = kunit_kzalloc(test, sizeof(*v), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, v);
	v->page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, v->page);
	return v;
}

static void sample_mode_and_domain(struct kunit *test)
{
	struct xen_pmu_vcpu *v = vcpu_create(test);
	struct pt_regs nowhere = { .ip = 1 }, made, *regs;
	unsigned int n, guest;

	for (n = 0; n < NR_COMBINATIONS; n++) {
		struct combination c = nth_combination(n);
		bool user = truly_user(&c);

		fill(v->page, &c);
		memset(&made, 0xaa, sizeof(made));
		regs = xen_pmu_sample_take(v, &nowhere, &made);
		KUNIT_EXPECT_PTR_EQ(test, regs, &made);

		KUNIT_EXPECT_EQ(test, v->sample.domain, c.domain);
		KUNIT_EXPECT_EQ(test, v->sample.vcpu, 3);
		KUNIT_EXPECT_EQ(test, v->sample.pcpu, 9);
		KUNIT_EXPECT_EQ(test, v->sample.user, user);
		KUNIT_EXPECT_EQ(test, !!user_mode(regs), user);
		KUNIT_EXPECT_EQ(test, regs->ip, ip_of(&c));
		KUNIT_EXPECT_EQ(test, regs->sp, 0x7ff000);
		KUNIT_EXPECT_EQ(test, regs->flags, 0x246);
		KUNIT_EXPECT_EQ(test, regs->ss, 0xe02b);
		KUNIT_EXPECT_EQ(test, regs->cs, user ? 0x33 : __KERNEL_CS);
		KUNIT_EXPECT_EQ(test, regs->bp, 0);

		guest = xen_pmu_sample_guest(&v->sample);
		KUNIT_EXPECT_EQ(test, !!(guest & PERF_GUEST_ACTIVE),
				c.domain != DOMID_SELF);
		KUNIT_EXPECT_EQ(test, !!(guest & PERF_GUEST_USER),
				c.domain == OTHER_DOMAIN && user);
	}
}

/* General registers are the sample's only if it is the same place. */
static void sample_uses_interrupted_regs(struct kunit *test)
{
	struct xen_pmu_vcpu *v = vcpu_create(test);
	struct pt_regs here, made, *used;
	unsigned int n;

	for (n = 0; n < NR_COMBINATIONS; n++) {
		struct combination c = nth_combination(n);
		bool own = c.domain == DOMID_SELF;
		bool user = truly_user(&c);

		fill(v->page, &c);
		memset(&here, 0, sizeof(here));
		here.ip = ip_of(&c);
		here.sp = 0x7ff000;
		here.cs = user ? 0x33 : __KERNEL_CS;
		here.bp = 0xb0b0;

		used = xen_pmu_sample_take(v, &here, &made);
		KUNIT_EXPECT_EQ(test, used->bp, own ? 0xb0b0 : 0);
		KUNIT_EXPECT_FALSE(test, v->sample.delayed);
		KUNIT_EXPECT_EQ(test, xen_pmu_sample_is_here(v->page, &here), own);

		here.ip++;
		KUNIT_EXPECT_FALSE(test, xen_pmu_sample_is_here(v->page, &here));
		used = xen_pmu_sample_take(v, &here, &made);
		KUNIT_EXPECT_EQ(test, v->sample.delayed, own);
		KUNIT_EXPECT_EQ(test, used->bp, 0);
		KUNIT_EXPECT_EQ(test, used->ip, ip_of(&c));

		here.ip--;
		here.sp -= 8;
		KUNIT_EXPECT_FALSE(test, xen_pmu_sample_is_here(v->page, &here));
		used = xen_pmu_sample_take(v, &here, &made);
		KUNIT_EXPECT_EQ(test, v->sample.delayed, own);
		KUNIT_EXPECT_EQ(test, used->bp, 0);

		here.sp += 8;
		here.cs = user ? __KERNEL_CS : 0x33;
		used = xen_pmu_sample_take(v, &here, &made);
		KUNIT_EXPECT_EQ(test, v->sample.delayed, own);
		KUNIT_EXPECT_EQ(test, used->bp, 0);
		KUNIT_EXPECT_EQ(test, !!user_mode(used), user);
	}
}

/* OS is the hypervisor's ring, USR the guest's, whatever mode of it. */
static void sample_privilege(struct kunit *test)
{
	const u64 os = ARCH_PERFMON_EVENTSEL_OS, usr = ARCH_PERFMON_EVENTSEL_USR;
	unsigned int n;

	for (n = 0; n < 16; n++) {
		struct perf_event_attr attr = {
			.exclude_user = n & 1, .exclude_kernel = !!(n & 2),
			.exclude_hv = !!(n & 4),
		};
		bool allowed = n & 8;
		u64 config = xen_pmu_privilege(&attr, 0xc0 | usr, allowed);
		u64 want = 0xc0;

		if (!(n & 4) && allowed)
			want |= os;
		if ((n & 3) != 3)
			want |= usr;
		KUNIT_EXPECT_EQ_MSG(test, config, want, "exclusions %x", n);
	}
}

/* A sample of the other side is dropped, and no other. */
static void sample_wanted(struct kunit *test)
{
	static const struct {
		bool no_user;
		bool no_kernel;
		bool user_wanted;
		bool kernel_wanted;
	} cases[] = {
		{ false, false, true, true },
		{ false, true, true, false },
		{ true, false, false, true },
		{ true, true, true, true },	/* :h, counts Xen only */
	};
	struct pt_regs user = { .cs = __USER_CS }, kernel = { .cs = __KERNEL_CS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct perf_event_attr attr = {
			.exclude_user = cases[i].no_user,
			.exclude_kernel = cases[i].no_kernel,
		};

		KUNIT_EXPECT_EQ(test, xen_pmu_wanted(&attr, &user),
				cases[i].user_wanted);
		KUNIT_EXPECT_EQ(test, xen_pmu_wanted(&attr, &kernel),
				cases[i].kernel_wanted);
	}
}

static void forget_context(struct perf_sample_data *data, u64 type,
			   struct pt_regs *regs)
{
	perf_sample_data_init(data, 0, 0);
	preempt_disable();
	xen_pmu_forget_context(data, type, regs);
	preempt_enable();
}

/* Before 6.3 perf finds out by itself. */
static void expect_grown(struct kunit *test, const struct perf_sample_data *data,
			 u64 size)
{
#ifdef xen_pmu_sample_size
	KUNIT_EXPECT_EQ(test, xen_pmu_sample_size(data), size);
#endif
}

/* The chain of a sample without its context is one address, whoever's it is. */
static void sample_short_chain(struct kunit *test)
{
	struct perf_sample_data *data = kunit_kzalloc(test, sizeof(*data),
						      GFP_KERNEL);
	const u64 type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN;
	struct pt_regs nowhere = { .ip = 1 }, made, *regs = NULL;
	struct xen_pmu_vcpu *v = vcpu_create(test);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, data);
	for (n = 0; n < NR_COMBINATIONS; n++) {
		struct combination c = nth_combination(n);

		fill(v->page, &c);
		regs = xen_pmu_sample_take(v, &nowhere, &made);
		forget_context(data, type, regs);

		KUNIT_EXPECT_TRUE(test, data->sample_flags & PERF_SAMPLE_CALLCHAIN);
		expect_grown(test, data, 3 * sizeof(u64));
		KUNIT_EXPECT_EQ(test, data->callchain->nr, 2);
		KUNIT_EXPECT_EQ(test, data->callchain->ip[0],
				truly_user(&c) ? PERF_CONTEXT_USER :
						 PERF_CONTEXT_KERNEL);
		KUNIT_EXPECT_EQ(test, data->callchain->ip[1], ip_of(&c));
	}

	forget_context(data, PERF_SAMPLE_IP, regs);
	KUNIT_EXPECT_FALSE(test, data->sample_flags & PERF_SAMPLE_CALLCHAIN);
	expect_grown(test, data, 0);
}

static struct kunit_case sample_cases[] = {
	KUNIT_CASE(sample_mode_and_domain),
	KUNIT_CASE(sample_uses_interrupted_regs),
	KUNIT_CASE(sample_privilege),
	KUNIT_CASE(sample_wanted),
	KUNIT_CASE(sample_short_chain),
	{}
};

static struct kunit_suite sample_suite = {
	.name = "xen_pmu_sample",
	.test_cases = sample_cases,
};

kunit_test_suite(sample_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the kernel calls its own PMU code, it calls ours: functions are replaced
 * at their ftrace sites, those that perf calls by a pointer in their places.
 *
 * Livepatch does the same, task by task; the old and the new code would share a
 * PMU meanwhile, which they cannot. So here all is put in place first, changing
 * nothing, and turned on at once while perf stands still.
 *
 * ftrace's own way to a function is some hundred instructions. What perf calls
 * many times at every switch takes the direct one, by a jump.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/interrupt.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include <asm/apicdef.h>
#include <asm/ibt.h>

#include <xen/pmu.h>

#include "arch/x86/events/perf_event.h"
#include "arch/x86/xen/pmu/perf.h"
#include "older.h"

struct hyp_sysfs_attr;

const struct x86_pmu_hv *x86_pmu_hv;
struct xen_pmu_x86_pmu x86_pmu;

/* The PMU is ours. Changes while perf stands still. */
bool xen_pmu_is_ours __read_mostly;
/* Nobody has it: there is nobody yet who could be asked about events. */
static bool still __read_mostly = true;
/* Who comes for an event or the mode is let in. */
static bool open __read_mostly;
/* Those who are in, and may sleep there. */
static atomic_t inside = ATOMIC_INIT(0);

static int (*kernels_hw_config)(struct perf_event *event);
static filter_t kernels_filter;
static int kernels_attr_rdpmc, kernels_attr_rdpmc_broken;
static u64 kernels_intel_ctrl;

/* The same on all CPUs but a hybrid processor's. */
static struct pmu *this_pmu(void)
{
	return xen_pmu_kernel.x86_get_pmu(raw_smp_processor_id());
}

/* ---- In place of the kernel's ---- */

bool xen_pmu_hook_read_msr(unsigned int msr, u64 *val, int *err)
{
	u8 entry = xen_pmu_entry(msr);

	if (entry)
		*val = err ? xen_pmu_read_msr_safe(msr, entry, err) :
			     xen_pmu_read_msr(msr, entry);
	return entry;
}

/*
 * An error is asked for here even if wrmsr() is what was called, with
 * CONFIG_XEN_PV_MSR_SAFE; wrmsr_safe() does not come here, see below.
 */
bool xen_pmu_hook_write_msr(unsigned int msr, u32 low, u32 high, int *err)
{
	u8 entry = xen_pmu_entry(msr);

	if (entry)
		xen_pmu_write_msr(msr, entry, (u64)high << 32 | low);
	return entry;
}

static int write_msr_safe(unsigned int msr, unsigned int low, unsigned int high)
{
	u8 entry = xen_pmu_entry(msr);

	return entry ? xen_pmu_write_msr_safe(msr, entry, (u64)high << 32 | low) :
		       xen_pmu_kernel.xen_write_msr_safe(msr, low, high);
}

unsigned long long xen_pmu_hook_read_pmc(int counter)
{
	return xen_pmu_read_pmc(counter);
}

/*
 * The kernel passes the register's number for its value. All that it writes to
 * LVTPC is this.
 */
static int write_lvtpc(u32 reg)
{
	xen_pmu_write_lvtpc(APIC_DM_NMI);
	return 0;
}

static int overflow(struct perf_event *event, struct perf_sample_data *data,
		    struct pt_regs *regs)
{
	int throttle;
	u64 stamp;

	if (event->pmu == this_pmu())
		regs = xen_pmu_overflow(event, data, regs);
	if (regs)
		return xen_pmu_kernel.perf_event_overflow(event, data, regs);

	/* As x86_perf_event_overflow() does. */
	stamp = event->hw.freq_time_stamp;
	event->hw.freq_time_stamp = 0;
	throttle = xen_pmu_kernel.perf_event_account_interrupt(event);
	event->hw.freq_time_stamp = stamp;
	return throttle;
}

/*
 * When the last event is gone. An event's own destroy() is no way to know it: an
 * event that outlives the module would keep a pointer to it.
 */
static void last_event_gone(void)
{
	atomic_inc(&inside);
	xen_pmu_kernel.release_ds_buffers();
	x86_pmu_hv->idle();
	atomic_dec(&inside);
}

static ssize_t mode_store(struct hyp_sysfs_attr *attr, const char *buffer,
			  size_t len)
{
	static const struct {
		const char *name;
		u32 mode;
	} modes[] = {
		{ "off", XENPMU_MODE_OFF },
		{ "self", XENPMU_MODE_SELF },
		{ "hv", XENPMU_MODE_HV },
		{ "all", XENPMU_MODE_ALL },
	};
	struct xen_pmu_params params = {
		.version.maj = XENPMU_VER_MAJ,
		.version.min = XENPMU_VER_MIN,
	};
	int i, err;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (sysfs_streq(buffer, modes[i].name))
			break;
	if (i == ARRAY_SIZE(modes))
		return -EINVAL;

	params.val = modes[i].mode;
	atomic_inc(&inside);
	err = xen_pmu_set_mode(&params);
	atomic_dec(&inside);
	return err ?: len;
}

static int hw_config(struct perf_event *event)
{
	int err;

	atomic_inc(&inside);
	err = kernels_hw_config(event);
	if (!err && READ_ONCE(open))
		err = x86_pmu_hv->event_init(event);
	atomic_dec(&inside);
	return err;
}

/* Whether no event may run on a CPU now. */
static bool stands_still(int cpu)
{
	return READ_ONCE(still) || !READ_ONCE(xen_pmu_is_ours) ||
	       !x86_pmu_hv->available(cpu);
}

/*
 * perf asks a static call for hybrid processors; the PMU's own pointer, which leads
 * there, is data.
 */
#ifdef FILTER_IS_OF_EVENTS
static int filter(struct perf_event *event)
{
	return !stands_still(smp_processor_id()) &&
	       (!kernels_filter || kernels_filter(event));
}
#else
static bool filter(struct pmu *pmu, int cpu)
{
	return stands_still(cpu) || (kernels_filter && kernels_filter(pmu, cpu));
}
#endif

/* ---- How it gets there ---- */

enum when {
	ALWAYS,
	FROM_KERNEL,	/* not when it is we who call it */
	IN_HANDLER,	/* likewise, and in the interrupt's handler only */
	WHILE_OPEN,
};

struct hook {
	unsigned long kernels;
	void *to;
	enum when when;
};

/* What perf calls most is first. */
enum {
	OVERFLOW, APIC_UPDATE, WRITE_MSR_SAFE, INIT, FINISH, MODE_STORE, RELEASE,
	NR_HOOKS
};

static struct hook hooks[NR_HOOKS] __read_mostly = {
	[OVERFLOW]	 = { .to = overflow, .when = IN_HANDLER },
	[APIC_UPDATE]	 = { .to = write_lvtpc },
	[WRITE_MSR_SAFE] = { .to = write_msr_safe, .when = FROM_KERNEL },
	[INIT]		 = { .to = xen_pmu_init, .when = FROM_KERNEL },
	[FINISH]	 = { .to = xen_pmu_finish, .when = FROM_KERNEL },
	[MODE_STORE]	 = { .to = mode_store, .when = WHILE_OPEN },
	[RELEASE]	 = { .to = last_event_gone, .when = WHILE_OPEN },
};

static bool notrace applies(const struct hook *hook, unsigned long caller)
{
	switch (hook->when) {
	case ALWAYS:
		return true;
	case WHILE_OPEN:
		if (!READ_ONCE(open))
			return false;
		break;
	case IN_HANDLER:
		if (!this_cpu_read(xen_pmu_vcpu.handling))
			return false;
		break;
	case FROM_KERNEL:
		break;
	}
	return !within_module(caller, THIS_MODULE);
}

/* The site is the function's first instruction, or comes after its ENDBR. */
static void notrace redirect(unsigned long ip, unsigned long caller,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct hook *hook = hooks;

	if (!READ_ONCE(xen_pmu_is_ours))
		return;
	while (ip - hook->kernels > ENDBR_INSN_SIZE)
		hook++;
	if (!hook->when || applies(hook, caller))
		ftrace_regs_set_instruction_pointer(fregs,
						    (unsigned long)hook->to);
}

/* Nobody can switch ftrace off meanwhile (FTRACE_OPS_FL_PERMANENT). */
static struct ftrace_ops ops = {
	.func	= redirect,
	.flags	= FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

/* Of those that are replaced directly, in the order of direct.S. */
unsigned long xen_pmu_directly[4] __read_mostly;

static struct ftrace_ops direct_ops;

/**
 * xen_pmu_hook() - have all hooks in place, changing nothing yet
 *
 * May sleep.
 *
 * Return: 0; -EBUSY if somebody else has replaced one of the functions, or what
 * else ftrace says.
 */
int xen_pmu_hook(void)
{
	const struct xen_pmu_kernel *k = &xen_pmu_kernel;
	const void *kernels[NR_HOOKS] = {
		[OVERFLOW]	 = k->perf_event_overflow,
		[APIC_UPDATE]	 = k->pmu_apic_update,
		[WRITE_MSR_SAFE] = k->xen_write_msr_safe,
		[INIT]		 = k->xen_pmu_init,
		[FINISH]	 = k->xen_pmu_finish,
		[MODE_STORE]	 = k->pmu_mode_store,
		[RELEASE]	 = k->release_ds_buffers,
	};
	const void *calls[] = { k->xen_read_pmc, k->pmu_msr_write,
				k->pmu_msr_read, k->xen_pmu_irq_handler };
	int i, err;

	x86_pmu = (struct xen_pmu_x86_pmu) {
		.handle_irq	= k->x86_pmu->handle_irq,
		.event_map	= k->x86_pmu->event_map,
		.max_events	= k->x86_pmu->max_events,
	};

	for (i = 0; i < NR_HOOKS; i++) {
		hooks[i].kernels = (unsigned long)kernels[i];
		err = ftrace_set_filter_ip(&ops, hooks[i].kernels, 0, 0);
		if (err)
			goto fail;
	}
	for (i = 0; i < ARRAY_SIZE(xen_pmu_directly); i++) {
		xen_pmu_directly[i] = (unsigned long)calls[i];
		err = ftrace_set_filter_ip(&direct_ops, xen_pmu_directly[i], 0, 0);
		if (err)
			goto fail;
	}

	err = register_ftrace_function(&ops);
	if (err)
		goto fail;
	err = register_ftrace_direct(&direct_ops, (unsigned long)xen_pmu_direct);
	if (!err)
		return 0;

	unregister_ftrace_function(&ops);
fail:
	ftrace_free_filter(&direct_ops);
	ftrace_free_filter(&ops);
	return err;
}

/**
 * xen_pmu_unhook() - undo xen_pmu_hook()
 *
 * After xen_pmu_hooks_off(). Nobody is in our code any more when it returns,
 * and nobody comes. May sleep.
 */
void xen_pmu_unhook(void)
{
	/* Waits for whoever has been led here, unless he sleeps. */
	unregister_ftrace_direct(&direct_ops, (unsigned long)xen_pmu_direct, true);
	unregister_ftrace_function(&ops);
	while (atomic_read(&inside))
		msleep(20);
	/* And for who was just about to leave. */
	synchronize_rcu_tasks();
	ftrace_free_filter(&ops);
}

static void resched_here(void *unused)
{
	xen_pmu_kernel.perf_pmu_resched(this_pmu());
}

static void resched(void)
{
	on_each_cpu(resched_here, NULL, 1);
}

/* Whoever is in the kernel's code has interrupts off, or has come to an end. */
static void look_up(void *unused)
{
}

/**
 * xen_pmu_hooks_hold() - have perf stand still on all CPUs, and turn the hooks on
 *
 * Before it the kernel's code has the PMU, and after it nobody, until
 * xen_pmu_hooks_open() or xen_pmu_hooks_off(). CPUs neither come nor go
 * meanwhile.
 */
void xen_pmu_hooks_hold(void)
{
	filter_t *place = filter_of(this_pmu());

	kernels_filter = *place;
	WRITE_ONCE(*place, filter);
	resched();
	WRITE_ONCE(xen_pmu_is_ours, true);
	on_each_cpu(look_up, NULL, 1);
}

/**
 * xen_pmu_hooks_open() - let perf go on, on our code
 * @counters: those that there are; bits as in IA32_PERF_GLOBAL_CTRL
 *
 * perf has asked CPUID for them, which here nobody could keep from showing more
 * than Xen emulates. Which event may have such a counter event_init() knows;
 * but perf must not enable it.
 */
void xen_pmu_hooks_open(u64 counters)
{
	struct xen_pmu_kernels_x86_pmu *k = xen_pmu_kernel.x86_pmu;

	kernels_intel_ctrl = k->intel_ctrl;
	k->intel_ctrl &= counters;
	kernels_attr_rdpmc = k->attr_rdpmc;
	kernels_attr_rdpmc_broken = k->attr_rdpmc_broken;
	k->attr_rdpmc = 0;
	k->attr_rdpmc_broken = 1;
	kernels_hw_config = k->hw_config;
	WRITE_ONCE(open, true);
	WRITE_ONCE(k->hw_config, hw_config);
	WRITE_ONCE(still, false);
	resched();
}

/**
 * xen_pmu_hooks_shut() - let nobody in any more who comes for an event or the mode
 *
 * Some may be in for a while: until xen_pmu_unhook().
 */
void xen_pmu_hooks_shut(void)
{
	struct xen_pmu_kernels_x86_pmu *k = xen_pmu_kernel.x86_pmu;

	WRITE_ONCE(k->hw_config, kernels_hw_config);
	WRITE_ONCE(open, false);
	k->attr_rdpmc_broken = kernels_attr_rdpmc_broken;
	k->attr_rdpmc = kernels_attr_rdpmc;
}

/**
 * xen_pmu_hooks_off() - let perf go on, on the kernel's code
 *
 * While it stands still.
 */
void xen_pmu_hooks_off(void)
{
	if (kernels_hw_config)
		xen_pmu_kernel.x86_pmu->intel_ctrl = kernels_intel_ctrl;
	WRITE_ONCE(xen_pmu_is_ours, false);
	on_each_cpu(look_up, NULL, 1);
	WRITE_ONCE(*filter_of(this_pmu()), kernels_filter);
	resched();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which events may be opened, what their modifiers mean, and what happens when
 * the hypervisor's mode changes.
 *
 * Xen runs in ring 0; the guest's kernel and its programs share ring 3. So the
 * OS bit of an event select counts the hypervisor, and the USR bit counts the
 * guest, kernel and programs alike.
 */
#define pr_fmt(fmt) "xen_pmu: " fmt

#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <xen/pmu.h>

#include "../../events/perf_event.h"
#include "lazy.h"
#include "perf.h"

/* As a module has it by its name. */
#ifndef MODULE
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen_pmu."
#endif

static bool strict_modes __read_mostly;
module_param(strict_modes, bool, 0644);
MODULE_PARM_DESC(strict_modes,
		 "refuse events of user or kernel mode alone, instead of counting both");

static bool raw_events __read_mostly;
module_param(raw_events, bool, 0644);
MODULE_PARM_DESC(raw_events,
		 "allow events that mean different things on a hybrid processor's cores");

static DEFINE_MUTEX(mode_lock);
static bool mode_off;
static bool leaving;	/* written by a module only */
static bool perf_is_up __ro_after_init;

/* ---- Which events may be opened ---- */

/* The time of the hypervisor is not for those who may not see the kernel's. */
static bool may_count_xen(void)
{
	return sysctl_perf_event_paranoid <= 1 || perfmon_capable();
}

/**
 * xen_pmu_privilege() - the privilege bits of an event select in a PV guest
 * @attr: what was asked for
 * @config: the event select as for bare metal
 * @xen: whether the hypervisor may be counted
 *
 * Return: the event select for Xen.
 */
u64 xen_pmu_privilege(const struct perf_event_attr *attr, u64 config, bool xen)
{
	config &= ~(ARCH_PERFMON_EVENTSEL_OS | ARCH_PERFMON_EVENTSEL_USR);
	if (!attr->exclude_hv && xen)
		config |= ARCH_PERFMON_EVENTSEL_OS;
	if (!attr->exclude_user || !attr->exclude_kernel)
		config |= ARCH_PERFMON_EVENTSEL_USR;
	return config;
}

static bool asks_for_xen_alone(const struct perf_event_attr *attr)
{
	return attr->exclude_user && attr->exclude_kernel && !attr->exclude_hv;
}

/* Is the event one that every core of a hybrid processor counts alike? */
static bool is_architectural(u64 config)
{
	const u64 select = ARCH_PERFMON_EVENTSEL_EVENT | ARCH_PERFMON_EVENTSEL_UMASK;
	int i;

	for (i = 0; i < x86_pmu.max_events; i++)
		if (x86_pmu.event_map(i) &&
		    !((x86_pmu.event_map(i) ^ config) & select))
			return true;

	return false;
}

/* Whether what an event asks for is there at all. */
static bool is_there(const struct perf_event *event)
{
	const struct xen_pmu *pmu = this_cpu_read(xen_pmu_vcpu.pmu);
	u64 config = event->hw.config;

	/* A PV guest has no guests of its own, and its vCPUs no other host. */
	if (event->attr.exclude_host)
		return false;
	/* Nobody has seen Xen save and load the halves of a merged pair. */
	if (event->hw.flags & PERF_X86_EVENT_PAIR)
		return false;
	if (pmu && pmu->vendor->counts && !pmu->vendor->counts(pmu, config))
		return false;

	return !x86_pmu.arch_events_only || raw_events || is_architectural(config);
}

static bool is_one_side_too_many(struct perf_event *event)
{
	if (!xen_pmu_one_side(&event->attr))
		return false;
	if (!strict_modes && !is_sampling_event(event))
		pr_info_once("a count of user or kernel mode alone counts both: under Xen they share a privilege level\n");

	return strict_modes;
}

/* Xen's command line may allow a few events only; it tells by refusing. */
static bool xen_refuses(u64 config)
{
	struct xen_pmu_vcpu *v;
	unsigned long flags;
	int err = 0;

	local_irq_save(flags);
	v = this_cpu_ptr(&xen_pmu_vcpu);
	if (v->home == XEN_PMU_HOME_XEN && v->pmu->vendor->filtered) {
		/* A counter that perf does not use is to be free. */
		xen_pmu_lazy_tidy(v);
		err = xen_pmu_regs_try(v, config);
	}
	local_irq_restore(flags);
	return err;
}

/* In the scheduler of perf, for each of its contexts. */
static bool available(int cpu)
{
	return !READ_ONCE(mode_off) &&
	       xen_pmu_available(per_cpu_ptr(&xen_pmu_vcpu, cpu));
}

static bool available_for(const struct perf_event *event)
{
	int cpu;

	if (event->cpu >= 0)
		return available(event->cpu);

	for_each_online_cpu(cpu)
		if (available(cpu))
			return true;
	return false;
}

static void mode_refresh(void);

/*
 * An inherited copy is its parent's, of which all was asked; to refuse it would
 * be to refuse the fork.
 */
static int event_init(struct perf_event *event)
{
	bool xen;

	if (event->parent) {
		xen = event->parent->hw.config & ARCH_PERFMON_EVENTSEL_OS;
		event->hw.config = xen_pmu_privilege(&event->attr,
						     event->hw.config, xen);
		return 0;
	}

	mode_refresh();
	/* perf asks for permission to count the kernel; this is neither side of it. */
	if (asks_for_xen_alone(&event->attr) && !may_count_xen())
		return -EACCES;
	if (!available_for(event) || !is_there(event) ||
	    is_one_side_too_many(event))
		return -EOPNOTSUPP;

	if (is_sampling_event(event) && event->attr.exclude_kernel &&
	    !event->attr.exclude_user && !static_key_enabled(&xen_pmu_way_out_key))
		static_branch_enable(&xen_pmu_way_out_key);

	event->hw.config = xen_pmu_privilege(&event->attr, event->hw.config,
					     may_count_xen());
	/*
	 * perf's tools exclude guests unless told otherwise, and since 6.13 perf
	 * takes a sample of such an event for the kernel's, whoever it is of.
	 */
	if (event->hw.config & ARCH_PERFMON_EVENTSEL_OS)
		event->attr.exclude_guest = 0;
	return xen_refuses(event->hw.config) ? -EOPNOTSUPP : 0;
}

/*
 * Counters may be left running for the next event; there is none now. Nor is
 * the event that Xen refused where it took the PMU from a CPU.
 */
static void idle_here(void *unused)
{
	struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);

	xen_pmu_lazy_tidy(v);
	if (!READ_ONCE(mode_off))
		xen_pmu_lazy_proceed(v);
}

static void idle(void)
{
	mutex_lock(&mode_lock);
	on_each_cpu(idle_here, NULL, 1);
	mutex_unlock(&mode_lock);
}

static const struct x86_pmu_hv hv = {
	.available	= available,
	.event_init	= event_init,
	.overflow	= xen_pmu_overflow,
	.idle		= idle,
};

/* ---- CPUs that have their PMU, and CPUs that have not ---- */

static void reschedule_here(void *unused)
{
	perf_pmu_resched(x86_get_pmu(smp_processor_id()));
}

/**
 * xen_pmu_reschedule() - have perf look again at what it can run on a CPU
 * @cpu: the CPU, online, which has got its PMU or lost it
 *
 * Events that it cannot run there stand still, and their time with them. May
 * sleep.
 */
void xen_pmu_reschedule(int cpu)
{
	if (perf_is_up)
		smp_call_function_single(cpu, reschedule_here, NULL, 1);
}

static void pause_here(void *unused)
{
	xen_pmu_lazy_pause(this_cpu_ptr(&xen_pmu_vcpu));
}

static void proceed_here(void *unused)
{
	xen_pmu_lazy_proceed(this_cpu_ptr(&xen_pmu_vcpu));
}

static void reschedule_all(void)
{
	if (perf_is_up)
		on_each_cpu(reschedule_here, NULL, 1);
}

/* Their time ends before they do. */
static void go_off(void)
{
	if (mode_off)
		return;

	WRITE_ONCE(mode_off, true);
	reschedule_all();
	on_each_cpu(pause_here, NULL, 1);
}

/* Also CPUs that came up while it was off, and those that had lost theirs. */
static void go_on(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		xen_pmu_init(cpu);
	on_each_cpu(proceed_here, NULL, 1);
	WRITE_ONCE(mode_off, false);
	reschedule_all();
}

/* Only dom0 may ask; nobody else's vPMU can lose its mode. */
static void follow_mode(bool was_off)
{
	bool off = leaving || xen_pmu_mode_is_off();

	if (off)
		go_off();
	else
		go_on();
	if (off && !was_off)
		pr_info("Xen's vPMU mode is off: hardware events are not counted\n");
	if (!off && was_off)
		pr_info("Xen's vPMU mode is on again\n");
}

/*
 * Notice that somebody else changed the mode. Not while a CPU comes or goes:
 * the lockup detector opens its event in the middle of that.
 */
static void mode_refresh(void)
{
	if (xen_pmu_mode_is_off() == READ_ONCE(mode_off) || !cpus_read_trylock())
		return;

	mutex_lock(&mode_lock);
	follow_mode(mode_off);
	mutex_unlock(&mode_lock);
	cpus_read_unlock();
}

static void refresh_work(struct work_struct *work)
{
	mode_refresh();
}

static DECLARE_WORK(refresh, refresh_work);

static void gone_here(struct irq_work *work)
{
	if (perf_is_up)
		reschedule_here(NULL);
	schedule_work(&refresh);
}

static DEFINE_PER_CPU(struct irq_work, gone_work) = IRQ_WORK_INIT_HARD(gone_here);

/**
 * xen_pmu_gone() - this CPU turned out to be without its PMU
 *
 * Its events stand still as soon as interrupts are on; and it may be that the
 * mode has changed. Any context.
 */
void xen_pmu_gone(void)
{
	irq_work_queue(this_cpu_ptr(&gone_work));
}

/*
 * In mode all Xen leaves the counters on the processor where they are, and takes
 * their overflows to the vCPU with the processor's number (vpmu_switch_from(),
 * choose_hwdom_vcpu() in xen/arch/x86/cpu/vpmu.c): of vCPUs that change their
 * processor the registers would be each other's.
 */
static bool vcpus_stay(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (!xen_pmu_is_pinned(cpu))
			return false;
	return true;
}

/**
 * xen_pmu_set_mode() - set the hypervisor's mode
 * @params: arguments of XENPMU_mode_set
 *
 * Before it changes the counters are read and stopped, and programmed anew
 * afterwards: Xen takes them off and masks LVTPC, and in mode all nothing but an
 * access of this vCPU brings either back. May sleep.
 *
 * Return: what Xen answers, or -EPERM for a mode in which no count would be right.
 */
int xen_pmu_set_mode(struct xen_pmu_params *params)
{
	bool was_off;
	int err;

	if (!static_key_enabled(&xen_pmu_key))
		return xen_pmu_op(XENPMU_mode_set, params);

	cpus_read_lock();
	mutex_lock(&mode_lock);
	if (params->val == XENPMU_MODE_ALL && !vcpus_stay()) {
		pr_warn_once("mode all is for a dom0 whose vCPUs stay on the processors of their numbers: boot Xen with dom0_vcpus_pin, or pin each with xl vcpu-pin\n");
		err = -EPERM;
		goto out;
	}
	was_off = mode_off;
	go_off();
	err = xen_pmu_op(XENPMU_mode_set, params);
	follow_mode(was_off);
out:
	mutex_unlock(&mode_lock);
	cpus_read_unlock();
	return err;
}

/**
 * xen_pmu_control_init() - have a say in perf's events
 *
 * Before perf looks for counters.
 */
void __init xen_pmu_control_init(void)
{
	x86_pmu_hv = &hv;
}

#ifdef MODULE
/**
 * xen_pmu_control_exit() - have no more say in perf's events
 *
 * They stand still from now on. Nobody opens one or sets the mode meanwhile,
 * and CPUs neither come nor go. May sleep.
 */
void xen_pmu_control_exit(void)
{
	int cpu;

	mutex_lock(&mode_lock);
	leaving = true;
	WRITE_ONCE(mode_off, true);
	reschedule_all();
	mutex_unlock(&mode_lock);

	for_each_online_cpu(cpu)
		xen_pmu_finish(cpu);
	/* What a CPU that lost its PMU has asked for. */
	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&gone_work, cpu));
	cancel_work_sync(&refresh);
}
#endif

static int __init xen_pmu_perf_is_up(void)
{
	if (!static_key_enabled(&xen_pmu_key) || !x86_pmu.handle_irq)
		return 0;

	perf_is_up = true;
	xen_pmu_be_lazy();
	return 0;
}

/* After perf's own early_initcall, before anything opens an event. */
core_initcall(xen_pmu_perf_is_up);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen/pmu/ in debugfs: a look at each vCPU's PMU that costs no trap.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include <xen/pmu.h>

#include "lazy.h"

static const char *home_of(const struct xen_pmu_vcpu *v)
{
	switch (READ_ONCE(v->home)) {
	case XEN_PMU_HOME_NONE:
		return "none";
	case XEN_PMU_HOME_SAVED:
		return "saved";
	case XEN_PMU_HOME_PAGE:
		return "page";
	default:
		return "hardware";
	}
}

/* A moment old, and without a look at the page, which may be gone. */
static int vcpu_show(struct seq_file *m, void *unused)
{
	const struct xen_pmu_vcpu *v = m->private;
	const struct xen_pmu_stats *s = &v->stats;

	seq_printf(m, "home:       %s\n", home_of(v));
	seq_printf(m, "enabled:    %#llx\n", xen_pmu_running(v));
	seq_printf(m, "loose:      %#llx\n", xen_pmu_loose(v));
	seq_printf(m, "interrupts: %llu\n", s->interrupts);
	seq_printf(m, "spurious:   %llu\n", s->spurious);
	seq_printf(m, "delayed:    %llu\n", s->delayed);
	seq_printf(m, "reads:      %llu\n", s->reads);
	seq_printf(m, "writes:     %llu\n", s->writes);
	seq_printf(m, "lvtpc_set:  %llu\n", s->lvtpc);
	seq_printf(m, "flushes:    %llu\n", s->flushes);
	seq_printf(m, "repaired:   %llu\n", s->repaired);
	seq_printf(m, "lost:       %llu\n", s->lost);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu);

static int __init xen_pmu_debugfs_init(void)
{
	struct dentry *xen, *pmu;
	char name[16];
	int cpu;

	if (!static_key_enabled(&xen_pmu_key))
		return 0;

	xen = debugfs_lookup("xen", NULL) ?: debugfs_create_dir("xen", NULL);
	pmu = debugfs_create_dir("pmu", xen);
	for_each_possible_cpu(cpu) {
		snprintf(name, sizeof(name), "cpu%d", cpu);
		debugfs_create_file(name, 0400, pmu,
				    per_cpu_ptr(&xen_pmu_vcpu, cpu),
				    &vcpu_fops);
	}
	return 0;
}
late_initcall(xen_pmu_debugfs_init);

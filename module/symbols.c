// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds what no kernel exports. kallsyms_lookup_name() is not exported either;
 * a kprobe says where it is, as for other modules that live outside the tree.
 */
#include <linux/kprobes.h>
#include <linux/printk.h>

#include "kernel.h"

struct xen_pmu_kernel xen_pmu_kernel __ro_after_init;

struct symbol {
	const char *name;
	size_t place;
};

#define SYMBOL(name)	{ #name, offsetof(struct xen_pmu_kernel, name) }

static const struct symbol symbols[] __initconst = {
	SYMBOL(x86_pmu),
	SYMBOL(x86_get_pmu),
	SYMBOL(release_ds_buffers),
	SYMBOL(perf_event_overflow),
	SYMBOL(perf_event_account_interrupt),
	SYMBOL(perf_pmu_resched),
	SYMBOL(perf_sample_event_took),
	SYMBOL(sysctl_perf_event_paranoid),
	SYMBOL(xen_runstate),
	SYMBOL(is_xen_pmu),
	SYMBOL(xen_guest_cbs),
	SYMBOL(xen_pmu_init),
	SYMBOL(xen_pmu_finish),
	SYMBOL(xen_write_msr_safe),
	SYMBOL(pmu_msr_read),
	SYMBOL(pmu_msr_write),
	SYMBOL(xen_read_pmc),
	SYMBOL(pmu_apic_update),
	SYMBOL(xen_pmu_irq_handler),
	SYMBOL(pmu_mode_store),
};

typedef int (*each_match_t)(int (*fn)(void *data, unsigned long address),
			    const char *name, void *data);

struct match {
	unsigned long address;
	unsigned int count;
};

static int __init note_match(void *data, unsigned long address)
{
	struct match *match = data;

	match->address = address;
	match->count++;
	return 0;
}

/* It is placed after the function's ENDBR, where there is one. */
static each_match_t __init find_each_match(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_on_each_match_symbol" };
	each_match_t found;

	if (register_kprobe(&probe))
		return NULL;
	found = (each_match_t)probe.addr;
	unregister_kprobe(&probe);
	return found;
}

static each_match_t each_match __initdata;

/**
 * xen_pmu_find_symbol() - find what the kernel has of a name
 * @name: the name
 *
 * Return: its address, or NULL unless it is there exactly once.
 */
void *__init xen_pmu_find_symbol(const char *name)
{
	struct match match = {};

	each_match(note_match, name, &match);
	return match.count == 1 ? (void *)match.address : NULL;
}

/**
 * xen_pmu_find_symbols() - fill in xen_pmu_kernel
 *
 * Return: 0, or -ENOENT: the log says what there is not.
 */
int __init xen_pmu_find_symbols(void)
{
	const struct symbol *symbol;
	void *found;

	each_match = find_each_match();
	if (!each_match) {
		pr_err("no kprobe can be placed, so nothing can be found in this kernel; nothing was changed\n");
		return -ENOENT;
	}

	for (symbol = symbols; symbol < symbols + ARRAY_SIZE(symbols); symbol++) {
		found = xen_pmu_find_symbol(symbol->name);
		if (!found) {
			pr_err("this kernel does not have %s exactly once; nothing was changed\n",
			       symbol->name);
			return -ENOENT;
		}
		*(void **)((void *)&xen_pmu_kernel + symbol->place) = found;
	}
	return 0;
}

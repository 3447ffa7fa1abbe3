// SPDX-License-Identifier: GPL-2.0
/*
 * explain - say why each symbol of a kernel configuration has its value
 *
 * Usage: explain KCONFIG, with the environment that the kernel's Makefile gives
 * its own conf program; reads .config in the working directory and prints one
 * line of JSON for each symbol that is defined:
 *
 *   name, type   as in Kconfig
 *   value        its value: y, m, n, a number or a text
 *   group        the menu that it is in, two levels deep
 *   prompt       whether a person can set it at all
 *   unmet        the conditions that keep it from being set, each with the values
 *                of its symbols
 *   selected_by  who selects it
 *   chosen       if it is one of several to choose from: which one is chosen
 *   range        if it is a number: the lowest and the highest one allowed
 *
 * It is linked with the objects of the kernel's own parser (scripts/kconfig), so
 * that what it says is what the kernel does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "lkc.h"

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* Prints a separator before every element of a list but the first. */
static void separate(bool *first)
{
	if (!*first)
		putchar(',');
	*first = false;
}

/* The parts of a conjunction that are false. */
static void print_unmet(struct expr *e, bool *first)
{
	struct gstr text;

	if (!e || expr_calc_value(e) != no)
		return;
	if (e->type == E_AND) {
		print_unmet(e->left.expr, first);
		print_unmet(e->right.expr, first);
		return;
	}
	separate(first);
	text = str_new();
	expr_gstr_print(e, &text);
	print_string(str_get(&text));
	str_free(&text);
}

/*
 * A reverse dependency is a disjunction of "selector && condition"; the
 * selector is the first symbol of each (menu.c, menu_finalize).
 */
static void print_selectors(struct expr *e, bool *first)
{
	if (!e || expr_calc_value(e) == no)
		return;
	if (e->type == E_OR) {
		print_selectors(e->left.expr, first);
		print_selectors(e->right.expr, first);
		return;
	}
	while (e->type == E_AND)
		e = e->left.expr;
	if (e->type != E_SYMBOL)
		return;
	separate(first);
	print_string(e->left.sym->name);
}

static struct property *first_prompt(struct symbol *sym)
{
	struct property *prop;

	for_all_prompts(sym, prop)
		return prop;
	return NULL;
}

static void print_group(const struct symbol *sym)
{
	struct menu *menu = list_first_entry(&sym->menus, struct menu, link);
	const char *inner = NULL, *outer = NULL;
	struct gstr text = str_new();

	for (menu = menu->parent; menu && menu != &rootmenu; menu = menu->parent) {
		if (!menu_has_prompt(menu))
			continue;
		inner = outer;
		outer = menu_get_prompt(menu);
	}
	str_append(&text, outer ? outer : "");
	if (inner) {
		str_append(&text, " > ");
		str_append(&text, inner);
	}
	print_string(str_get(&text));
	str_free(&text);
}

static void print_choice(const struct symbol *sym)
{
	struct menu *choice = sym_get_choice_menu(sym), *menu;

	if (!choice)
		return;
	menu_for_each_sub_entry(menu, choice) {
		if (menu->sym && sym_get_tristate_value(menu->sym) == yes) {
			printf(",\"chosen\":");
			print_string(menu->sym->name);
			return;
		}
	}
}

static void print_range(struct symbol *sym)
{
	struct property *prop = sym_get_range_prop(sym);

	if (!prop)
		return;
	printf(",\"range\":[");
	print_string(sym_get_string_value(prop->expr->left.sym));
	putchar(',');
	print_string(sym_get_string_value(prop->expr->right.sym));
	putchar(']');
}

static void print_symbol(struct symbol *sym)
{
	struct property *prompt = first_prompt(sym);
	bool first;

	printf("{\"name\":");
	print_string(sym->name);
	printf(",\"type\":");
	print_string(sym_type_name(sym->type));
	printf(",\"value\":");
	print_string(sym_get_string_value(sym));
	printf(",\"group\":");
	print_group(sym);
	printf(",\"prompt\":%s,\"unmet\":[", prompt ? "true" : "false");
	first = true;
	if (sym->visible == no || !prompt)
		print_unmet(prompt ? prompt->visible.expr : sym->dir_dep.expr, &first);
	printf("],\"selected_by\":[");
	first = true;
	print_selectors(sym->rev_dep.expr, &first);
	putchar(']');
	print_choice(sym);
	print_range(sym);
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct symbol *sym;

	if (argc != 2) {
		fprintf(stderr, "usage: %s KCONFIG\n", argv[0]);
		return 2;
	}
	conf_parse(argv[1]);
	if (conf_read(NULL)) {
		fprintf(stderr, "%s: no configuration in %s\n", argv[0], conf_get_configname());
		return 1;
	}
	for_all_symbols(sym)
		sym_calc_value(sym);
	for_all_symbols(sym) {
		if (!sym_is_choice(sym) && sym->type != S_UNKNOWN &&
		    !(sym->flags & SYMBOL_CONST))
			print_symbol(sym);
	}
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}

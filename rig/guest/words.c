// SPDX-License-Identifier: GPL-2.0
/*
 * The demonstration's workload: the most frequent words of a file.
 *
 *	words FILE
 *
 * Reads it in small pieces (the kernel's share of the work, if the file is one
 * of /proc), cuts it into words, counts them in a hash table and sorts them.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS 4096
#define LONGEST 64
#define SHOWN 5

struct word {
	struct word *next;
	unsigned long count;
	char text[];
};

static struct word *table[BUCKETS];
static size_t words;

unsigned int hash_word(const char *text)
{
	unsigned int hash = 2166136261u;

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 16777619u;
	return hash % BUCKETS;
}

void count_word(const char *text)
{
	struct word **bucket = &table[hash_word(text)];
	struct word *word;
	size_t size;

	for (word = *bucket; word; word = word->next) {
		if (!strcmp(word->text, text)) {
			word->count++;
			return;
		}
	}
	size = strlen(text) + 1;
	word = malloc(sizeof(*word) + size);
	if (!word)
		exit(1);
	memcpy(word->text, text, size);
	word->count = 1;
	word->next = *bucket;
	*bucket = word;
	words++;
}

void split_words(const char *data, size_t size)
{
	static char text[LONGEST];
	static size_t length;
	size_t i;

	for (i = 0; i < size; i++) {
		if (isalpha((unsigned char)data[i]) && length < LONGEST - 1) {
			text[length++] = data[i];
		} else if (length) {
			text[length] = '\0';
			count_word(text);
			length = 0;
		}
	}
}

int compare_words(const void *left, const void *right)
{
	const struct word *l = *(struct word * const *)left;
	const struct word *r = *(struct word * const *)right;

	if (l->count != r->count)
		return l->count < r->count ? 1 : -1;
	return strcmp(l->text, r->text);
}

void show_words(void)
{
	struct word **all = calloc(words + 1, sizeof(*all)), *word;
	size_t i, n = 0;

	if (!all)
		exit(1);
	for (i = 0; i < BUCKETS; i++)
		for (word = table[i]; word; word = word->next)
			all[n++] = word;
	qsort(all, n, sizeof(*all), compare_words);
	for (i = 0; i < n && i < SHOWN; i++)
		printf("%lu %s\n", all[i]->count, all[i]->text);
}

/* Not in main: frame pointers lose the function that calls the C library's read(). */
void read_words(int file)
{
	static char data[16384];
	ssize_t size;

	while ((size = read(file, data, sizeof(data))) > 0)
		split_words(data, size);
}

int main(int argc, char **argv)
{
	int file;

	if (argc != 2) {
		fprintf(stderr, "usage: words FILE\n");
		return 2;
	}
	file = open(argv[1], O_RDONLY);
	if (file < 0) {
		perror(argv[1]);
		return 1;
	}
	read_words(file);
	close(file);
	show_words();
	return 0;
}

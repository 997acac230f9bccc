// SPDX-License-Identifier: GPL-2.0
/*
 * A file that the host carries from one machine to the next, in the memory of a
 * PCI device that both have:
 *
 *	carry out RESOURCE FILE		to the next machine
 *	carry in RESOURCE FILE		from the last one
 *
 * RESOURCE is the memory, as a file in sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define START	4096		/* of the file; before it is its length */
#define PIECE	0x100000

static void fail(const char *what)
{
	fprintf(stderr, "carry: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *map(const char *path, size_t *size)
{
	int fd = open(path, O_RDWR);
	struct stat stat;
	char *memory;

	if (fd < 0 || fstat(fd, &stat))
		fail(path);
	*size = stat.st_size;
	memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail(path);
	close(fd);
	return memory;
}

static void carry_out(char *memory, size_t size, const char *name)
{
	int fd = open(name, O_RDONLY);
	uint64_t length = 0;
	char *piece = malloc(PIECE);
	ssize_t got;

	if (fd < 0 || !piece)
		fail(name);
	while ((got = read(fd, piece, PIECE)) > 0) {
		if (START + length + got > size) {
			errno = EFBIG;
			fail(name);
		}
		memcpy(memory + START + length, piece, got);
		length += got;
	}
	if (got < 0)
		fail(name);
	memcpy(memory, &length, sizeof(length));
}

static void carry_in(char *memory, size_t size, const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *piece = malloc(PIECE);
	uint64_t length, done;
	size_t part;

	if (fd < 0 || !piece)
		fail(name);
	memcpy(&length, memory, sizeof(length));
	if (!length || length > size - START) {
		errno = ENODATA;
		fail(name);
	}
	for (done = 0; done < length; done += part) {
		part = length - done < PIECE ? length - done : PIECE;
		memcpy(piece, memory + START + done, part);
		if (write(fd, piece, part) != (ssize_t)part)
			fail(name);
	}
}

int main(int argc, char **argv)
{
	char *memory;
	size_t size;

	if (argc != 4 || (strcmp(argv[1], "out") && strcmp(argv[1], "in"))) {
		fprintf(stderr, "usage: carry out|in RESOURCE FILE\n");
		return 2;
	}
	memory = map(argv[2], &size);
	if (argv[1][0] == 'o')
		carry_out(memory, size, argv[3]);
	else
		carry_in(memory, size, argv[3]);
	return 0;
}

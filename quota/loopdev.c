#include "quota/loopdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

enum { ATTACH_TRIES = 200, WAIT_MS = 2000 };

static void nap(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static int open_device(unsigned number, char *path, size_t size)
{
    snprintf(path, size, "/dev/loop%u", number);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    /* Just made by the kernel, and udev (or nobody) has yet to name it. */
    if (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, number)) < 0 && errno != EEXIST)
        return -1;
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

static bool same_file(int device, int fd)
{
    struct loop_info64 info;
    struct stat st;
    return fstat(fd, &st) == 0 && ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == st.st_dev &&
           info.lo_inode == st.st_ino;
}

/* A device with the file of FD, left by a mount that lives on in another mount namespace; -1 when there is none. */
static int find_device(int fd, char *path, size_t size)
{
    int found = -1;
    DIR *d = opendir("/sys/block");
    for (struct dirent *entry; d && found < 0 && (entry = readdir(d));) {
        char backing[300];
        unsigned number;
        snprintf(backing, sizeof backing, "/sys/block/%s/loop/backing_file", entry->d_name);
        if (sscanf(entry->d_name, "loop%u", &number) != 1 || access(backing, F_OK) < 0)
            continue;
        CLOSE_FD int device = open_device(number, path, size);
        if (device >= 0 && same_file(device, fd))
            found = fd_steal(&device);
    }
    if (d)
        closedir(d);
    return found;
}

int loopdev_attach(int fd, char *path, size_t size, struct err *e)
{
    int there = find_device(fd, path, size);
    if (there >= 0)
        return there;
    CLOSE_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return err_set(e, errno, "open", "/dev/loop-control");
    const struct loop_config config = {
        .fd = (__u32)fd, .block_size = 4096, .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
    };
    for (int try = 0; try < ATTACH_TRIES; try++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return err_set(e, errno, "LOOP_CTL_GET_FREE", "no loop device");
        CLOSE_FD int device = open_device((unsigned)number, path, size);
        if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0)
            return fd_steal(&device);
        /* Others ask for a free one at the same time; one being removed is ENXIO. */
        if (errno != EBUSY && errno != ENXIO && errno != EINTR && errno != ENODEV)
            return err_set(e, errno, device < 0 ? "open" : "LOOP_CONFIGURE", "%s", path);
        nap(try < 20 ? 0 : 1 + (getpid() + try) % 16);
    }
    return err_set(e, EBUSY, "LOOP_CONFIGURE", "every free loop device was taken first, %d times", ATTACH_TRIES);
}

bool loopdev_holds(dev_t dev, int fd)
{
    char path[32];
    struct stat st;
    if (major(dev) != LOOP_MAJOR)
        return false;
    snprintf(path, sizeof path, "/dev/loop%u", minor(dev));
    CLOSE_FD int device = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return device >= 0 && fstat(device, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == dev && same_file(device, fd);
}

int loopdev_resized(const char *path, struct err *e)
{
    CLOSE_FD int device = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return device < 0 || ioctl(device, LOOP_SET_CAPACITY) < 0 ? err_set(e, errno, "LOOP_SET_CAPACITY", "%s", path) : 0;
}

/* Reads sysfs, since an open device is one more user of it. */
static bool attached(dev_t dev)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/loop/backing_file", major(dev), minor(dev));
    return access(path, F_OK) == 0;
}

int loopdev_wait_free(dev_t dev, struct err *e)
{
    if (major(dev) != LOOP_MAJOR)
        return 0;
    for (uint64_t end = now_ms() + WAIT_MS; attached(dev); nap(2))
        if (now_ms() > end)
            return err_set(e, EBUSY, "detach", "/dev/loop%u is still used, in another mount namespace or by a process",
                           minor(dev));
    return 0;
}

// A page: a file in memory that one process writes and any number map for reading. What all kinds of them share: the
// writer's lock on byte 0, how a name is taken so that there is never a second writer, and how a refusal is worded.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tapewire {

class PageFile {
  public:
    PageFile(const PageFile&) = delete;

    const std::string& error() const { return error_; }
    int fd() const { return fd_; }

    // True once the name leads to another file than the one that is open here, or to none.
    bool replaced() const {
        struct stat here, there;
        if (fd_ < 0 || ::fstat(fd_, &here)) return true;
        return ::stat(path_.c_str(), &there) || here.st_ino != there.st_ino || here.st_dev != there.st_dev;
    }

    // Whether a writer holds the page. Never true of one in this very object.
    bool writer_alive() const {
        struct flock lock = byte0(F_WRLCK);
        return fd_ >= 0 && ::fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    }

  protected:
    enum class Taken : int { held, none, busy, refused };

    // `kind`: what its errors call it, as "stage log".
    explicit PageFile(const char* kind) : kind_(kind) {}
    ~PageFile() { close_file(); }

    static struct flock byte0(short type) {
        struct flock lock{};
        lock.l_type = type;
        lock.l_whence = SEEK_SET;
        lock.l_len = 1;
        return lock;
    }

    // Opens the page that bears the name and takes its lock. none: nothing bears it; else error() says why not.
    Taken take() {
        for (;;) {
            fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
            if (fd_ < 0) return errno == ENOENT ? Taken::none : (refuse_system("cannot open"), Taken::refused);
            if (const Taken taken = lock(); taken != Taken::held) return taken;
            if (!replaced()) return Taken::held;
            close_file();  // its writer made another and ended before we had the lock: each turn of this is one writer's end
        }
    }

    // Makes a page by `fill`, which finds its file open in fd_, and gives it the name: in place of the page `held`, whose
    // lock we have until then, or of none (-1). busy: another writer was faster. `held` is closed in any case.
    template <class Fill>
    Taken make(int held, Fill&& fill) {
        const std::string aside = path_ + ".new-" + std::to_string(::getpid());
        error_.clear();
        fd_ = ::open(aside.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0660);
        Taken taken = fd_ < 0 ? Taken::refused : lock();
        if (taken == Taken::held && !fill()) taken = Taken::refused;
        if (taken == Taken::held && (held >= 0 ? ::rename(aside.c_str(), path_.c_str()) : ::link(aside.c_str(), path_.c_str())))
            taken = errno == EEXIST ? busy() : Taken::refused;
        if (taken == Taken::refused && error_.empty()) refuse_system("cannot create");
        if (fd_ >= 0) ::unlink(aside.c_str());  // after a rename there is none
        if (held >= 0) ::close(held);
        return taken;
    }

    void close_file() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

    bool refuse(const std::string& why) {
        error_ = path_ + ": " + why;
        return false;
    }
    bool refuse_system(const char* what) { return refuse(std::string(what) + " the " + kind_ + ": " + std::strerror(errno)); }

    int fd_ = -1;
    std::string path_;

  private:
    Taken lock() {
        struct flock want = byte0(F_WRLCK);
        if (::fcntl(fd_, F_OFD_SETLK, &want) == 0) return Taken::held;
        if (errno == EAGAIN || errno == EACCES) return busy();
        return refuse_system("cannot lock"), Taken::refused;
    }

    Taken busy() { return refuse(std::string("another live process writes this ") + kind_ + ". Stop it first, or name another file"), Taken::busy; }

    const char* kind_;
    std::string error_;
};

}  // namespace tapewire

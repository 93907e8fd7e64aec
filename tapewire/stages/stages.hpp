// A stage log: one process writes a line for each batch, any number read along without being noticed.
//
//   Writer  opens the log that is there and goes on in it, or makes one; holds a lock on its byte 0 while it lives
//   Reader  maps it for reading; read(i) says whether batch i is there, not yet, or no more
#pragma once
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <utility>

#include "tapewire/page_file.hpp"
#include "tapewire/stages/layout.hpp"

namespace tapewire::stages {

class Mapped : public PageFile {
  public:
    Mapped() : PageFile("stage log") {}
    ~Mapped() { close(); }

    bool is_open() const { return shared_ != nullptr; }
    uint64_t count() const { return shared_->count.load(std::memory_order_acquire); }
    uint32_t slots() const { return mask_ + 1; }

    void close() {
        unmap();
        close_file();
    }

  protected:
    void unmap() {
        if (shared_) ::munmap(shared_, DATA_AT + sizeof(Slot) * slots());
        shared_ = nullptr, slots_ = nullptr;
    }

    // The log of an open file; false: it is none, and error() says why.
    bool map(int protection) {
        struct stat st;
        Identity it{};
        if (::fstat(fd_, &st) || ::pread(fd_, &it, sizeof it, 0) < 0) return refuse_system("cannot read");
        if (it.magic != MAGIC || it.version != VERSION || it.check != it.expected_check() || !slots_ok(it.slots) ||
            uint64_t(st.st_size) != DATA_AT + sizeof(Slot) * uint64_t{it.slots})
            return refuse("not a stage log of this version (" + std::to_string(st.st_size) + " bytes). Name another file, or remove this one");
        void* at = ::mmap(nullptr, size_t(st.st_size), protection, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) return refuse_system("cannot map");
        shared_ = static_cast<Shared*>(at);
        slots_ = reinterpret_cast<Slot*>(static_cast<uint8_t*>(at) + DATA_AT);
        mask_ = it.slots - 1;
        return true;
    }

    Shared* shared_ = nullptr;
    Slot* slots_ = nullptr;
    uint32_t mask_ = 0;
};

class Writer : public Mapped {
  public:
    // Goes on in the log that is there, if it is one of so many slots, else makes it anew: nothing depends on what was in it.
    bool open(const char* path, uint32_t slots = SLOTS) {
        close();
        path_ = path;
        if (!slots_ok(slots)) return refuse(std::to_string(slots) + " slots; expected a power of two from 4 to 16777216");
        const Taken taken = take();
        if (taken == Taken::held && map(PROT_READ | PROT_WRITE)) {
            if (this->slots() == slots) return true;
            unmap();
        }
        if (taken == Taken::held || taken == Taken::none)
            if (make(std::exchange(fd_, -1), [&] { return begin(slots); }) == Taken::held) return true;
        return close(), false;
    }

    // About 10 ns: eight stores into memory that the next batch but 65,535 overwrites.
    void record(const Batch& batch) {
        const uint64_t at = shared_->count.load(std::memory_order_relaxed);
        Slot& slot = slots_[at & mask_];
        slot.stamp.store(0, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
        uint64_t words[Slot::WORDS];
        std::memcpy(words, &batch, sizeof words);
        for (size_t i = 0; i < Slot::WORDS; ++i) slot.words[i].store(words[i], std::memory_order_relaxed);
        slot.stamp.store(at + 1, std::memory_order_release);
        shared_->count.store(at + 1, std::memory_order_release);
    }

  private:
    bool begin(uint32_t slots) {
        Identity it{MAGIC, VERSION, slots, 0};
        it.check = it.expected_check();
        if (const int failure = ::posix_fallocate(fd_, 0, off_t(DATA_AT + sizeof(Slot) * size_t{slots}))) return errno = failure, false;
        return ::pwrite(fd_, &it, sizeof it, 0) == ssize_t(sizeof it) && map(PROT_READ | PROT_WRITE);
    }
};

enum class Read : int { ok = 0, later = 1, gone = 2 };

class Reader : public Mapped {
  public:
    bool open(const char* path) {
        close();
        path_ = path;
        fd_ = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) return refuse_system("cannot open");
        if (map(PROT_READ)) return true;
        return close(), false;
    }

    // Batch number i, from 0. later: not recorded yet; gone: it was overwritten, perhaps while it was read.
    Read read(uint64_t i, Batch& batch) const {
        if (i >= count()) return Read::later;
        const Slot& slot = slots_[i & mask_];
        if (slot.stamp.load(std::memory_order_acquire) != i + 1) return Read::gone;
        uint64_t words[Slot::WORDS];
        for (size_t n = 0; n < Slot::WORDS; ++n) words[n] = slot.words[n].load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (slot.stamp.load(std::memory_order_relaxed) != i + 1) return Read::gone;
        std::memcpy(&batch, words, sizeof batch);
        return Read::ok;
    }

    // The newest batch that holds record `seq`: a tape that lost its tail has given some numbers twice.
    bool find(uint64_t seq, Batch& batch) const {
        const uint64_t end = count(), begin = end > slots() ? end - slots() : 0;
        for (uint64_t i = end; i-- > begin;) {
            if (read(i, batch) != Read::ok) return false;
            if (batch.first <= seq && seq <= batch.last) return true;
        }
        return false;
    }
};

}  // namespace tapewire::stages

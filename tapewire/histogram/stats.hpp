// A page of statistics: named histograms and counters in a file that one process writes and any number watch.
//
//      0  ┌ magic u64 │ version u32 │ histograms u32 │ counters u32 │ 0 u32 │ started_ns i64 (UTC) ┐
//     64  ├ names: 32 histograms, then 64 counters, 48 bytes each, NUL-padded UTF-8 ────────────────┤
//   4736  ├ counters: 64 u64 ───────────────────────────────────────────────────────────────────────┤
//   8192  ├ histograms (histogram.hpp) ─────────────────────────────────────────────────────────────┤
//         └─────────────────────────────────────────────────────────────────────────────────────────┘
//
// The writer makes the file anew at each start and holds a lock on its byte 0 while it lives. A reader that finds its
// page replaced() opens the name again.
#pragma once
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapewire/clock.hpp"
#include "tapewire/histogram/histogram.hpp"
#include "tapewire/page_file.hpp"

namespace tapewire::histogram {

class StatsPage : public PageFile {
  public:
    static constexpr size_t HISTOGRAMS_MAX = 32, COUNTERS_MAX = 64, NAME_BYTES = 48;
    static constexpr uint64_t MAGIC = 0x5354415453504154;  // "TAPSTATS"
    static constexpr uint32_t VERSION = 1;

    StatsPage() : PageFile("page of statistics") {}
    ~StatsPage() {
        close();
        if (page_) ::munmap(page_, bytes_);
    }

    // Makes the page, replacing one whose writer is gone. Names: 1 to 47 bytes, each once. False: error() says why.
    bool create(const char* path, const std::vector<std::string>& histograms, const std::vector<std::string>& counters) {
        path_ = path;
        if (page_) return refuse("this page is open already");
        if (histograms.size() > HISTOGRAMS_MAX || counters.size() > COUNTERS_MAX)
            return refuse(std::to_string(histograms.size()) + " histograms and " + std::to_string(counters.size()) + " counters; a page holds at most 32 and 64");
        if (!names_ok(histograms) || !names_ok(counters)) return false;
        bytes_ = HISTOGRAMS_AT + histograms.size() * sizeof(Histogram);
        const Taken old = take();
        writer_ = (old == Taken::held || old == Taken::none) && make(std::exchange(fd_, -1), [&] { return fill(histograms, counters); }) == Taken::held;
        if (!writer_) close();
        return writer_;
    }

    // Opens a page for reading only. False: error() says why.
    bool open(const char* path) {
        path_ = path;
        if (page_) return refuse("this page is open already");
        fd_ = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) return refuse_system("cannot open");
        struct stat st;
        Head head{};
        if (::fstat(fd_, &st) || ::pread(fd_, &head, sizeof head, 0) < 0) return close(), refuse_system("cannot read");
        bytes_ = HISTOGRAMS_AT + size_t{head.histograms} * sizeof(Histogram);
        if (head.magic != MAGIC || head.version != VERSION || head.histograms > HISTOGRAMS_MAX || head.counters > COUNTERS_MAX || size_t(st.st_size) != bytes_) {
            close();
            return refuse("not a page of statistics of this version (" + std::to_string(st.st_size) + " bytes). Name another file");
        }
        void* at = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) return close(), refuse_system("cannot map");
        page_ = static_cast<uint8_t*>(at);
        histograms_ = head.histograms, counters_ = head.counters;  // kept: what is in the file may change under us
        return true;
    }

    // Gives the writer's lock back. The memory stays until destruction, for those who still hold a histogram of it.
    void close() {
        struct flock unlock = byte0(F_UNLCK);  // closing alone would not: the mapping keeps the file description, and with it the lock
        if (writer_) ::fcntl(fd_, F_OFD_SETLK, &unlock);
        close_file();
        writer_ = false;
    }

    bool is_open() const { return page_ != nullptr; }
    bool is_writer() const { return writer_; }
    bool writer_alive() const { return writer_ || PageFile::writer_alive(); }
    int64_t started_ns() const { return reinterpret_cast<const Head*>(page_)->started_ns; }

    size_t histogram_count() const { return histograms_; }
    size_t counter_count() const { return counters_; }
    Histogram* histogram(size_t i) { return reinterpret_cast<Histogram*>(page_ + HISTOGRAMS_AT) + i; }
    std::string_view histogram_name(size_t i) const { return name(i); }
    std::string_view counter_name(size_t i) const { return name(HISTOGRAMS_MAX + i); }
    uint64_t counter(size_t i) const { return cell(i).load(std::memory_order_relaxed); }
    void add(size_t i, uint64_t n) { cell(i).store(counter(i) + n, std::memory_order_relaxed); }
    void set(size_t i, uint64_t value) { cell(i).store(value, std::memory_order_relaxed); }

  private:
    struct Head {
        uint64_t magic;
        uint32_t version, histograms, counters, zero;
        int64_t started_ns;
    };
    static constexpr size_t NAMES_AT = 64, COUNTERS_AT = 4736, HISTOGRAMS_AT = 8192;
    static_assert(NAMES_AT + (HISTOGRAMS_MAX + COUNTERS_MAX) * NAME_BYTES <= COUNTERS_AT && COUNTERS_AT + 8 * COUNTERS_MAX <= HISTOGRAMS_AT);

    bool fill(const std::vector<std::string>& histograms, const std::vector<std::string>& counters) {
        if (const int failure = ::posix_fallocate(fd_, 0, off_t(bytes_))) return errno = failure, false;
        void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) return false;
        page_ = static_cast<uint8_t*>(at);
        histograms_ = histograms.size(), counters_ = counters.size();
        for (size_t i = 0; i < histograms_; ++i) std::memcpy(page_ + NAMES_AT + i * NAME_BYTES, histograms[i].data(), histograms[i].size());
        for (size_t i = 0; i < counters_; ++i) std::memcpy(page_ + NAMES_AT + (HISTOGRAMS_MAX + i) * NAME_BYTES, counters[i].data(), counters[i].size());
        Head head{MAGIC, VERSION, uint32_t(histograms_), uint32_t(counters_), 0, utc_ns()};
        std::memcpy(page_, &head, sizeof head);
        return true;
    }

    bool names_ok(const std::vector<std::string>& names) {
        for (size_t i = 0; i < names.size(); ++i) {
            if (names[i].empty() || names[i].size() >= NAME_BYTES) return refuse("the name '" + names[i] + "' has " + std::to_string(names[i].size()) + " bytes; expected 1 to 47");
            for (size_t j = 0; j < i; ++j)
                if (names[i] == names[j]) return refuse("the name '" + names[i] + "' appears twice");
        }
        return true;
    }

    std::string_view name(size_t slot) const {
        const char* at = reinterpret_cast<const char*>(page_ + NAMES_AT + slot * NAME_BYTES);
        return {at, ::strnlen(at, NAME_BYTES)};
    }

    std::atomic_ref<uint64_t> cell(size_t i) const { return std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t*>(page_ + COUNTERS_AT)[i]); }

    uint8_t* page_ = nullptr;
    size_t bytes_ = 0, histograms_ = 0, counters_ = 0;
    bool writer_ = false;
};

}  // namespace tapewire::histogram

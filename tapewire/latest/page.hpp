// A page of latest values: the writer folds what it sequences into it, readers copy out of it without being noticed.
//
//   Writer  goes on in the page that is there, if it has the same sizes, else makes it anew; holds a lock on its byte 0
//   Reader  maps it for reading
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <unordered_map>

#include "tapewire/latest/fold.hpp"

namespace tapewire::latest {

enum class Opened : int { ok = 0, missing = 1, busy = 2, refused = 3 };

class Mapped {
  public:
    Mapped() = default;
    Mapped(const Mapped&) = delete;
    ~Mapped() { close(); }

    bool is_open() const { return state_ != nullptr; }
    const std::string& error() const { return error_; }
    const Sizes& sizes() const { return sizes_; }
    uint32_t named() const { return state_->named.load(std::memory_order_acquire); }
    uint64_t updates() const { return state_->updates.load(std::memory_order_acquire); }
    uint64_t refused() const { return state_->refused.load(std::memory_order_relaxed); }
    int fd() const { return fd_; }

    // Another page bears the name by now, or none.
    bool replaced() const {
        if (state_->retired.load(std::memory_order_relaxed)) return true;
        struct stat here, there;
        if (::fstat(fd_, &here)) return true;
        return ::stat(path_.c_str(), &there) || here.st_ino != there.st_ino || here.st_dev != there.st_dev;
    }
    bool retired() const { return state_->retired.load(std::memory_order_relaxed) != 0; }

    // Whether a writer holds the page. Never true of one in this very object.
    bool writer_alive() const {
        struct flock lock = byte0(F_WRLCK);
        return ::fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    }

    const char* ticker(uint32_t i) const { return reinterpret_cast<const char*>(at(i)); }
    Cell& cell(uint32_t i) const { return *reinterpret_cast<Cell*>(at(i) + TICKER); }
    Log quotes(uint32_t i) const { return log(at(i) + TICKER + sizeof(Cell), sizes_.quotes, sizeof(wire::Quote)); }
    Log trades(uint32_t i) const { return log(at(i) + sizes_.trades_at(), sizes_.trades, sizeof(wire::Trade)); }
    Log references(uint32_t i) const { return log(at(i) + sizes_.references_at(), sizes_.references, REFERENCE); }

    void close() {
        if (state_) ::munmap(state_, sizes_.bytes());
        if (fd_ >= 0) ::close(fd_);
        state_ = nullptr, fd_ = -1;
    }

  protected:
    static struct flock byte0(short type) {
        struct flock lock{};
        lock.l_type = type;
        lock.l_whence = SEEK_SET;
        lock.l_len = 1;
        return lock;
    }

    static Log log(uint8_t* at, size_t capacity, size_t bytes) {
        auto* words = reinterpret_cast<std::atomic<uint64_t>*>(at);
        return {words, words + 1, capacity, bytes / 8};
    }

    uint8_t* at(uint32_t i) const { return reinterpret_cast<uint8_t*>(state_) + PAGE + sizes_.stride() * i; }

    bool map(int protection) {
        struct stat st;
        Identity it{};
        if (::fstat(fd_, &st) || ::pread(fd_, &it, sizeof it, 0) < 0) return refuse_system("cannot read");
        if (it.magic != MAGIC) return refuse("not a page of latest values. Name another file, or remove this one");
        if (it.version != VERSION || it.quote_bytes != sizeof(wire::Quote) || it.trade_bytes != sizeof(wire::Trade) || it.reference_bytes != REFERENCE)
            return refuse("a page of latest values of another version (" + std::to_string(it.version) + ", messages of " + std::to_string(it.quote_bytes) + ", " +
                          std::to_string(it.trade_bytes) + " and " + std::to_string(it.reference_bytes) + " bytes); this build reads version " + std::to_string(VERSION) +
                          ", " + std::to_string(sizeof(wire::Quote)) + ", " + std::to_string(sizeof(wire::Trade)) + " and " + std::to_string(REFERENCE) +
                          ". Run reader and writer from the same release");
        if (it.check != it.expected_check() || !it.sizes.ok() || uint64_t(st.st_size) != it.sizes.bytes())
            return refuse("its head does not hold (" + std::to_string(st.st_size) + " bytes). Remove it: its writer makes it anew");
        void* where = ::mmap(nullptr, size_t(st.st_size), protection, MAP_SHARED, fd_, 0);
        if (where == MAP_FAILED) return refuse_system("cannot map");
        sizes_ = it.sizes;
        state_ = static_cast<State*>(where);
        return true;
    }

    bool refuse(const std::string& why) {
        error_ = path_ + ": " + why;
        return false;
    }
    bool refuse_system(const char* what) { return refuse(std::string(what) + " the page of latest values: " + std::strerror(errno)); }

    State* state_ = nullptr;
    Sizes sizes_{};
    int fd_ = -1;
    std::string path_, error_;
};

class Reader : public Mapped {
  public:
    Opened open(const char* path) {
        close();
        path_ = path;
        fd_ = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) {
            const bool missing = errno == ENOENT || errno == ENOTDIR;
            return refuse_system("cannot open"), missing ? Opened::missing : Opened::refused;
        }
        if (map(PROT_READ)) return Opened::ok;
        return close(), Opened::refused;
    }
};

enum class Put : int { folded = 0, not_ours = 1, full = 2, malformed = 3 };

class Writer : public Mapped {
  public:
    // `contiguous`: the numbers of all messages follow each other, so that a missing one is seen here.
    Opened open(const char* path, const Sizes& sizes, bool contiguous) {
        close();
        path_ = path, contiguous_ = contiguous;
        if (!sizes.ok()) return refuse("sizes out of range: 1 to 65,536 instruments, at most 1,048,576 entries a log"), Opened::refused;
        if (fd_ = ::open(path, O_RDWR | O_CLOEXEC); fd_ >= 0) {
            if (!lock()) return close(), Opened::busy;
            if (map(PROT_READ | PROT_WRITE)) {
                if (sizes_ == sizes && !replaced()) return restore(), Opened::ok;
                if (!replaced()) return remake(sizes);
            }
            close();
        }
        return make(sizes) ? Opened::ok : Opened::refused;
    }

    // A page without a name: of this process alone, for what comes over the bus.
    Opened open_private(const Sizes& sizes, bool contiguous) {
        close();
        path_ = "private page", contiguous_ = contiguous;
        fd_ = ::memfd_create("tapewire-latest", MFD_CLOEXEC);
        if (fd_ < 0) return refuse_system("cannot create"), Opened::refused;
        if (begin(sizes)) return Opened::ok;
        return close(), Opened::refused;
    }

    // The message as it was published. Some 30 ns for a quote, into memory that the CPU has at hand.
    Put put(const uint8_t* message, size_t n) {
        if (wire::check(message, n) != wire::Fault::none) return Put::malformed;
        const wire::Header& header = wire::header(message);
        const Kind kind = kind_of(header.type);
        if (kind == Kind::none) return Put::not_ours;
        const int64_t found = find(header.instrument, ticker_of(message));
        if (found < 0) return state_->refused.fetch_add(1, std::memory_order_relaxed), Put::full;
        const auto i = uint32_t(found);
        Folded& it = *folded_[i];
        if (contiguous_ && last_ && header.seq != last_ + 1) lose_all();
        last_ = header.seq;
        // The log before the value: whoever sees a trade as the latest finds it in the log.
        if (kind == Kind::trade) trades(i).append(message, n);
        else if (kind == Kind::quote) quotes(i).append(message, n);
        else if (kind == Kind::reference) references(i).append(message, n);
        fold(it, message);
        show(i);
        return Put::folded;
    }

    // Something is known to be missing (the bus was away): every instrument says so.
    void lose_all() {
        for (uint32_t i = 0; i < folded_.size(); ++i) {
            ++folded_[i]->value.gaps, ++folded_[i]->value.updates;
            folded_[i]->book = false;
            if (folded_[i]->value.top_seq) folded_[i]->value.top_quality = uint16_t(wire::BookQuality::resync);
            show(i);
        }
    }

  private:
    void show(uint32_t i) {
        cell(i).store(folded_[i]->value);
        state_->updates.store(state_->updates.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    bool lock() {
        struct flock want = byte0(F_WRLCK);
        if (::fcntl(fd_, F_OFD_SETLK, &want) == 0) return true;
        if (errno != EAGAIN && errno != EACCES) return refuse_system("cannot lock");
        return refuse("another live process writes this page of latest values. Stop it first");
    }

    // What readers saw last stays in sight until a message changes it; a book begins anew with its next snapshot.
    void restore() {
        folded_.clear(), by_ticker_.clear(), by_id_.clear();
        last_ = 0;
        for (uint32_t i = 0; i < named(); ++i) {
            folded_.push_back(std::make_unique<Folded>());
            cell(i).load(folded_[i]->value);
            by_ticker_[std::string(ticker(i), TICKER)] = i;
            // A message of a log that was being written when its writer was killed has the stamp 0: it is written over.
        }
    }

    Opened remake(const Sizes& sizes) {
        State* old = state_;
        const size_t bytes = sizes_.bytes();
        const int held = fd_;  // keeps the lock until the new page has the name
        state_ = nullptr, fd_ = -1;
        const bool made = make(sizes);
        if (made) old->retired.store(1, std::memory_order_release);
        ::munmap(old, bytes), ::close(held);
        return made ? Opened::ok : Opened::refused;
    }

    bool make(const Sizes& sizes) {
        const std::string temporary = path_ + ".new-" + std::to_string(::getpid());
        fd_ = ::open(temporary.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0660);
        if (fd_ < 0) return refuse_system("cannot create");
        error_.clear();
        if (lock() && begin(sizes)) {
            if (::rename(temporary.c_str(), path_.c_str()) == 0) return true;
            refuse_system("cannot name");
        }
        ::unlink(temporary.c_str());
        return close(), false;
    }

    bool begin(const Sizes& sizes) {
        Identity it{MAGIC, VERSION, sizes, sizeof(wire::Quote), sizeof(wire::Trade), REFERENCE, 0};
        it.check = it.expected_check();
        const int failed = ::posix_fallocate(fd_, 0, PAGE);
        if (failed) return errno = failed, refuse_system("cannot create");
        if (::ftruncate(fd_, off_t(sizes.bytes())) || ::pwrite(fd_, &it, sizeof it, 0) != ssize_t(sizeof it)) return refuse_system("cannot create");
        if (!map(PROT_READ | PROT_WRITE)) return false;
        restore();
        return true;
    }

    // The place of an instrument, named if there is room; -1: there is none.
    int64_t find(uint32_t instrument, const char* name) {
        if (instrument < by_id_.size() && by_id_[instrument] >= 0 && std::memcmp(ticker(uint32_t(by_id_[instrument])), name, TICKER) == 0) [[likely]]
            return by_id_[instrument];
        const std::string key(name, TICKER);
        const auto known = by_ticker_.find(key);
        const int64_t place = known == by_ticker_.end() ? add(key) : int64_t(known->second);
        if (place >= 0 && instrument < INSTRUMENTS_MAX) {
            if (instrument >= by_id_.size()) by_id_.resize(instrument + 1, -1);
            by_id_[instrument] = place;
        }
        return place;
    }

    int64_t add(const std::string& key) {
        const auto i = uint32_t(folded_.size());
        if (i >= sizes_.instruments) return -1;
        if (::posix_fallocate(fd_, off_t(PAGE + sizes_.stride() * i), off_t(sizes_.stride()))) return -1;
        std::memcpy(at(i), key.data(), TICKER);
        folded_.push_back(std::make_unique<Folded>());
        by_ticker_[key] = i;
        state_->named.store(i + 1, std::memory_order_release);
        return i;
    }

    bool contiguous_ = false;
    uint64_t last_ = 0;
    std::vector<std::unique_ptr<Folded>> folded_;
    std::unordered_map<std::string, uint32_t> by_ticker_;
    std::vector<int64_t> by_id_;
};

}  // namespace tapewire::latest

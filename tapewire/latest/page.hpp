// A page of latest values: the writer folds what it sequences into it, readers copy out of it without being noticed.
//
//   Writer  goes on in the page that is there, if it has the same sizes, else makes it anew; holds a lock on its byte 0
//   Reader  maps it for reading
#pragma once
#include <sys/mman.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "tapewire/latest/fold.hpp"
#include "tapewire/page_file.hpp"

namespace tapewire::latest {

enum class Opened : int { ok = 0, missing = 1, busy = 2, refused = 3 };

class Mapped : public PageFile {
  public:
    Mapped() : PageFile("page of latest values") {}
    ~Mapped() { close(); }

    bool is_open() const { return state_ != nullptr; }
    const Sizes& sizes() const { return sizes_; }
    uint32_t named() const { return state_->named.load(std::memory_order_acquire); }
    uint64_t updates() const { return state_->updates.load(std::memory_order_acquire); }
    uint64_t refused() const { return state_->refused.load(std::memory_order_relaxed); }

    // Another page bears the name by now, or none.
    bool replaced() const { return retired() || PageFile::replaced(); }
    bool retired() const { return state_->retired.load(std::memory_order_relaxed) != 0; }

    const char* ticker(uint32_t i) const { return reinterpret_cast<const char*>(at(i)); }
    Cell& cell(uint32_t i) const { return *reinterpret_cast<Cell*>(at(i) + TICKER); }
    Log quotes(uint32_t i) const { return log(at(i) + TICKER + sizeof(Cell), sizes_.quotes, sizeof(wire::Quote)); }
    Log trades(uint32_t i) const { return log(at(i) + sizes_.trades_at(), sizes_.trades, sizeof(wire::Trade)); }
    Log references(uint32_t i) const { return log(at(i) + sizes_.references_at(), sizes_.references, REFERENCE); }

    void close() {
        unmap();
        close_file();
    }

  protected:
    void unmap() {
        if (state_) ::munmap(state_, sizes_.bytes());
        state_ = nullptr;
    }

    static Log log(uint8_t* at, size_t capacity, size_t bytes) {
        auto* words = reinterpret_cast<std::atomic<uint64_t>*>(at);
        return {words, words + 1, capacity, bytes / 8};
    }

    uint8_t* at(uint32_t i) const { return reinterpret_cast<uint8_t*>(state_) + PAGE + sizes_.stride() * i; }

    bool map(int protection) {
        struct stat st;
        Identity it{};
        const ssize_t got = ::fstat(fd_, &st) ? -1 : ::pread(fd_, &it, sizeof it, 0);
        if (got < 0) return refuse_system("cannot read");
        if (it.magic != MAGIC) return refuse("not a page of latest values. Name another file, or remove this one");
        if (size_t(got) < sizeof it) return refuse_head(st.st_size);
        if (it.version != VERSION || it.quote_bytes != sizeof(wire::Quote) || it.trade_bytes != sizeof(wire::Trade) || it.reference_bytes != REFERENCE)
            return refuse("a page of latest values of another version (" + std::to_string(it.version) + ", messages of " + std::to_string(it.quote_bytes) + ", " +
                          std::to_string(it.trade_bytes) + " and " + std::to_string(it.reference_bytes) + " bytes); this build reads version " + std::to_string(VERSION) +
                          ", " + std::to_string(sizeof(wire::Quote)) + ", " + std::to_string(sizeof(wire::Trade)) + " and " + std::to_string(REFERENCE) +
                          ". Run reader and writer from the same release");
        if (it.check != it.expected_check() || !it.sizes.ok() || uint64_t(st.st_size) != it.sizes.bytes())
            return refuse_head(st.st_size);
        void* where = ::mmap(nullptr, size_t(st.st_size), protection, MAP_SHARED, fd_, 0);
        if (where == MAP_FAILED) return refuse_system("cannot map");
        sizes_ = it.sizes;
        state_ = static_cast<State*>(where);
        return true;
    }

    bool refuse_head(off_t size) { return refuse("its head does not hold (" + std::to_string(size) + " bytes). Remove it: its writer makes it anew"); }

    State* state_ = nullptr;
    Sizes sizes_{};
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

enum class Put : int { folded = 0, not_ours = 1, full = 2, malformed = 3, known = 4 };

// What a page's feed is like. `contiguous`: the numbers of all messages follow each other, so that a missing one is seen
// here. `house`: its books begin empty, with the delta 1, and its quote is the top of its book.
struct Feed {
    bool contiguous = false, house = false;
};

class Writer : public Mapped {
  public:
    Opened open(const char* path, const Sizes& sizes, Feed feed) {
        close();
        path_ = path, feed_ = feed;
        if (!sizes.ok()) return refuse("sizes out of range: 1 to 65,536 instruments, at most 1,048,576 entries a log"), Opened::refused;
        Taken taken = take();
        if (taken == Taken::held && map(PROT_READ | PROT_WRITE)) {
            if (sizes_ == sizes) return restore(), Opened::ok;
            unmap();
        }
        if (taken == Taken::held) {
            const int old = ::dup(fd_);
            taken = make(std::exchange(fd_, -1), [&] { return begin(sizes); });
            if (taken == Taken::held) retire(old);
            if (old >= 0) ::close(old);
        } else if (taken == Taken::none) {
            taken = make(-1, [&] { return begin(sizes); });
        }
        if (taken == Taken::held) return Opened::ok;
        return close(), taken == Taken::busy ? Opened::busy : Opened::refused;
    }

    // A page without a name: of this process alone, for what comes over the bus.
    Opened open_private(const Sizes& sizes, Feed feed) {
        close();
        path_ = "private page", feed_ = feed;
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
        if (feed_.contiguous && last_ && header.seq != last_ + 1) lose_all();
        last_ = header.seq;
        const int64_t found = find(header.instrument, ticker_of(message));
        if (found < 0) return state_->refused.fetch_add(1, std::memory_order_relaxed), Put::full;
        const auto i = uint32_t(found);
        Folded& it = *folded_[i];
        if (known(i, kind, message, n)) [[unlikely]] return Put::known;
        // The log before the value: whoever sees a trade as the latest finds it in the log.
        if (kind == Kind::trade) trades(i).append(message, n);
        else if (kind == Kind::quote) quotes(i).append(message, n);
        else if (kind == Kind::reference) references(i).append(message, n);
        if (feed_.house && header.type == wire::MessageType::book_delta && as<wire::BookDelta>(message).book_seq == 1) begin_book(it);
        fold(it, message);
        if (feed_.house && header.type == wire::MessageType::book_snapshot) quote_from_top(it.value);
        show(i);
        // Not before: an instrument that has its name has a value.
        if (i == named()) [[unlikely]] state_->named.store(i + 1, std::memory_order_release);
        return Put::folded;
    }

    // Something is known to be missing (the bus was away): every instrument says so.
    void lose_all() {
        for (uint32_t i = 0; i < folded_.size(); ++i) {
            ++folded_[i]->value.gaps, ++folded_[i]->value.updates;
            folded_[i]->book = false;
            lose(folded_[i]->value);
            show(i);
        }
    }

  private:
    void show(uint32_t i) {
        cell(i).store(folded_[i]->value);
        state_->updates.store(state_->updates.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    // Who publishes begins again behind the position it has stored, up to a second ago: what was folded before is told
    // by its number and its time (a tape that lost its tail gives numbers again, but no times).
    bool known(uint32_t i, Kind kind, const uint8_t* message, size_t n) const {
        const Folded& it = *folded_[i];
        const Value& v = it.value;
        const wire::Header& head = wire::header(message);
        switch (kind) {
            case Kind::trade: return before(head, v.trade_seq, v.trade_ts) || (head.seq == v.trade_seq && trades(i).holds(message, n));
            case Kind::quote: return before(head, v.quote_seq, v.quote_ts) || (head.seq == v.quote_seq && quotes(i).holds(message, n));
            case Kind::reference: return references(i).holds(message, n);
            case Kind::book: return head.type == wire::MessageType::book_delta && held_already(it, message);
            default: return false;
        }
    }
    static bool before(const wire::Header& head, uint64_t seq, int64_t ts) { return head.seq < seq && head.ts <= ts; }

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

    // Tells who has the old page open to go over to the new one; also of another version, whose head it may be.
    static void retire(int old) {
        uint64_t magic = 0;
        const uint32_t yes = 1;
        struct stat st;
        if (::fstat(old, &st) == 0 && size_t(st.st_size) >= PAGE && ::pread(old, &magic, sizeof magic, 0) == sizeof magic && magic == MAGIC)
            (void)!::pwrite(old, &yes, sizeof yes, offsetof(State, retired));
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
        // A writer that was killed before it gave a name may have left something here.
        for (const Log& log : {quotes(i), trades(i), references(i)}) log.count->store(0, std::memory_order_relaxed);
        std::memcpy(at(i), key.data(), TICKER);
        folded_.push_back(std::make_unique<Folded>());
        by_ticker_[key] = i;
        return i;
    }

    Feed feed_;
    uint64_t last_ = 0;
    std::vector<std::unique_ptr<Folded>> folded_;
    std::unordered_map<std::string, uint32_t> by_ticker_;
    std::vector<int64_t> by_id_;
};

}  // namespace tapewire::latest

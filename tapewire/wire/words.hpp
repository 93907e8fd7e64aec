// Snapshots as 8-byte little-endian words: how a state is written, and read back from bytes nobody vouches for.
#pragma once
#include <vector>

#include "tapewire/wire/flat.hpp"

namespace tapewire::wire {

class WordWriter {
  public:
    explicit WordWriter(std::vector<uint8_t>& out) : out_(out) {}

    // Room for so many more: growing by doubling would copy a large state, and touch fresh memory for it, several times.
    void expect(size_t words) { out_.reserve(out_.size() + 8 * words); }

    template <class... T>
    void put(T... values) {
        const size_t at = out_.size();
        out_.resize(at + 8 * sizeof...(values));
        uint8_t* p = out_.data() + at;
        ((store64(p, uint64_t(values)), p += 8), ...);
    }

  private:
    std::vector<uint8_t>& out_;
};

// Reading past the end gives 0 and clears ok().
class WordReader {
  public:
    WordReader(const uint8_t* p, size_t n) : p_(p), left_(n / 8), ok_(n % 8 == 0) {}
    uint64_t get() {
        if (left_ == 0) return ok_ = false, 0;
        const uint64_t v = load64(p_);
        p_ += 8;
        --left_;
        return v;
    }
    // How many entries of at least `words` words follow; ok() is false if there is no room for them.
    uint64_t count(size_t words) {
        const uint64_t n = get();
        if (n > left_ / words) return ok_ = false, 0;
        return n;
    }
    bool ok() const { return ok_; }
    bool done() const { return ok_ && left_ == 0; }

  private:
    const uint8_t* p_;
    size_t left_;
    bool ok_;
};

}  // namespace tapewire::wire

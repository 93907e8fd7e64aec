// Whether there is room to show beside each other what is otherwise in tabs.

import { useEffect, useState } from "./dom.js";

const wide = matchMedia("(min-width: 1700px)");

export function useWide() {
  const [isWide, setWide] = useState(wide.matches);
  useEffect(() => {
    const changed = () => setWide(wide.matches);
    wide.addEventListener("change", changed);
    return () => wide.removeEventListener("change", changed);
  }, []);
  return isWide;
}

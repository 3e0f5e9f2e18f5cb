"""An energy atlas of Germany: what rootcellar does, on real data and real worker processes."""

"""How likely pictures are junk or wrongly labelled: detectors, confident learning, and what people decided."""

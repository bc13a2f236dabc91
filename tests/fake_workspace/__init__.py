"""What the fake workspace itself promises."""

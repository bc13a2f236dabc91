"""What is kept between runs: the state folder, locks, and the tables beside a control table."""

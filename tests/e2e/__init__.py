"""End-to-end tests: sippx against sippx and against small peers over the loopback interface."""

"""The values that penstock is made of. Pure: nothing here reads, writes, runs, or imports a data library."""

"""What every source is made of: how a look is asked, counted, judged."""

"""From paper to real money: sessions judged, demands compared, promotions kept, and live runs admitted."""

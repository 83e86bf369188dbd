module slipway.test/echo

go 1.26

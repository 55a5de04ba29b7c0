module sallyport.dev/tests/load

go 1.26.0
